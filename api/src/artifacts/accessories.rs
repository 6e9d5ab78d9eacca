//! What belongs to an artifact: signatures, attestations, bills of materials.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Method, Uri};
use roadstead_model::{Action, RepositoryName, Resource};
use roadstead_storage::tables::artifact::{self, Accessories};

use super::shapes::AccessoryAnswer;
use super::{ONE, named, reference_in};
use crate::Api;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;

const COLUMNS: &[Column] = &[
    Column::new("id", "m.id", Kind::Integer).also(&["artifact_id"]),
    Column::new("digest", "m.digest", Kind::Text),
    Column::new("type", "m.accessory_type", Kind::Text),
    Column::new("size", "m.total_size", Kind::Integer),
    Column::new("creation_time", "m.created_at", Kind::Time),
];

pub(super) fn register(routes: &mut Routes) {
    let access = Access::Repository(permission(Resource::Accessory, Action::List));
    let path = format!("{ONE}/accessories");
    let description =
        Description::new("listAccessories", "artifact", "List what belongs to an artifact");
    routes
        .add(&Method::GET, &path, access, list, description)
        .listed()
        .answers_list::<AccessoryAnswer>();
}

async fn list(
    State(api): State<Api>,
    Extension(name): Extension<RepositoryName>,
    Path(parameters): Path<HashMap<String, String>>,
    uri: Uri,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let mut order = sorting(&query, COLUMNS)?;
    if order.is_empty() {
        order.push(("m.created_at", true));
    }
    order.push(("m.id", true));
    let filters = filters(&query, COLUMNS)?;
    let mut conn = api.db.read().await?;
    let subject = named(&mut conn, &name, reference_in(&parameters)).await?;
    let wanted = Accessories {
        repository: subject.repository,
        of: &subject.digest,
        conditions: &filters.conditions,
        order: &order,
    };
    let total = artifact::count_accessories(&mut conn, wanted).await?;
    let found = artifact::accessories(&mut conn, wanted, query.limit(), query.offset()).await?;
    let answers: Vec<AccessoryAnswer> =
        found.iter().map(|found| AccessoryAnswer::of(Some(subject.id), found)).collect();
    Ok(query.answer(uri.path(), total, &answers))
}
