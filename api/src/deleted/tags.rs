//! Deleted tags.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::{Method, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, Permission, Resource};
use roadstead_storage::tables::deleted;
use roadstead_storage::tables::project::Project;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Restoration, about, granted, listed, missing};
use crate::Api;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorted_or};
use crate::guard::{Access, Routes, number, permission};
use crate::page::ListQuery;

const DELETE: Permission = permission(Resource::Tag, Action::Delete);

const COLUMNS: &[Column] = &[
    Column::new("id", "t.id", Kind::Integer),
    Column::new("repository_name", "t.repository", Kind::Text),
    Column::new("name", "t.name", Kind::Text),
    Column::new("digest", "t.digest", Kind::Text),
    Column::new("deletion_time", "t.deleted_at", Kind::Time),
    Column::new("deleted_by", "t.deleted_by", Kind::Text),
    Column::new("expiration_time", "t.kept_until", Kind::Time),
];

pub(super) fn register(routes: &mut Routes) {
    let all = "/projects/{project_name_or_id}/deleted/tags";
    let one = format!("{all}/{{deleted_tag_id}}/restore");
    let description = about("listDeletedTags", "List the tags that can be brought back");
    routes
        .add(&Method::GET, all, listed(Resource::Tag), list, description)
        .listed()
        .answers_list::<DeletedTag>();
    let description = about("restoreTag", "Bring a tag back, and what it named");
    routes
        .add(&Method::POST, &one, Access::Project(DELETE), restore, description)
        .answers::<Restoration>()
        .fails(&[409, 412]);
}

/// A tag that was deleted and can be brought back.
#[derive(Debug, Serialize, ToSchema)]
struct DeletedTag {
    id: i64,
    repository_name: String,
    name: String,
    /// What it named.
    digest: String,
    /// The deleted artifact that it was deleted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_artifact_id: Option<i64>,
    deletion_time: String,
    deleted_by: String,
    expiration_time: String,
}

impl From<deleted::Tag> for DeletedTag {
    fn from(found: deleted::Tag) -> Self {
        Self {
            id: found.id,
            repository_name: found.repository,
            name: found.name,
            digest: found.digest,
            deleted_artifact_id: found.artifact,
            deletion_time: found.deleted_at.rfc3339(),
            deleted_by: found.deleted_by,
            expiration_time: found.kept_until.rfc3339(),
        }
    }
}

async fn list(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    uri: Uri,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let usual = [("t.deleted_at", true), ("t.id", true)];
    let order = sorted_or(&query, COLUMNS, usual)?;
    let conditions = filters(&query, COLUMNS)?.conditions;
    let mut conn = api.db.read().await?;
    let total = deleted::count_tags(&mut conn, project.id, &conditions).await?;
    let page = (query.limit(), query.offset());
    let found = deleted::list_tags(&mut conn, project.id, &conditions, &order, page).await?;
    let answers: Vec<DeletedTag> = found.into_iter().map(DeletedTag::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn restore(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<Restoration>, Failure> {
    let id = number(&path, "deleted_tag_id")?;
    let mut conn = api.db.read().await?;
    let found = deleted::find_tag(&mut conn, project.id, id).await?;
    let found = found.ok_or_else(|| missing("tag", id))?;
    let grant = granted(&api, conn, &caller, &found.repository, DELETE).await?;
    Ok(Json(api.registry.restore_tag(&grant, id).await?.into()))
}
