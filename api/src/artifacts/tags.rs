//! The tags of an artifact.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Method, StatusCode, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, RepositoryName, Resource, Tag};
use roadstead_storage::tables::tag;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use super::shapes::TagAnswer;
use super::{ONE, named, reference_in};
use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;

const COLUMNS: &[Column] = &[
    Column::new("name", "t.name", Kind::Text),
    Column::new("artifact_id", "t.manifest_id", Kind::Integer),
    Column::new("repository_id", "t.repo_id", Kind::Integer),
    Column::new("push_time", "t.updated_at", Kind::Time),
    Column::new("pull_time", "u.pulled_at", Kind::Time),
];

/// Harbor's `NewTag`. Clients send a whole `Tag`, of which the name is read.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"name": "v1.0.1"}))]
struct NewTag {
    name: String,
}

pub(super) fn register(routes: &mut Routes) {
    let access = |action| Access::Repository(permission(Resource::Tag, action));
    let about = |id, summary| Description::new(id, "artifact", summary);
    let all = format!("{ONE}/tags");
    let one = format!("{all}/{{tag_name}}");
    let description = about("listTags", "List the tags of an artifact");
    routes
        .add(&Method::GET, &all, access(Action::List), list, description)
        .listed()
        .query("with_immutable_status", Type::Boolean)
        .answers_list::<TagAnswer>();
    let description = about("createTag", "Give an artifact a tag that is not there yet");
    routes
        .add(&Method::POST, &all, access(Action::Create), create, description)
        .accepts::<NewTag>()
        .status(201)
        .fails(&[409]);
    let description = about("deleteTag", "Delete a tag; the artifact stays");
    routes.add(&Method::DELETE, &one, access(Action::Delete), delete, description).fails(&[412]);
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
        order.extend(&tag::NEWEST_FIRST[..1]);
    }
    order.extend(&tag::NEWEST_FIRST[1..]);
    let conditions = filters(&query, COLUMNS)?.conditions;
    let mut snapshot = api.db.snapshot().await?;
    let of = named(&mut snapshot, &name, reference_in(&parameters)).await?;
    let key = (of.repository, of.id);
    let (total, found) =
        tag::page_of_manifest(&mut snapshot, key, &conditions, &order, query.slice()).await?;
    let answers: Vec<TagAnswer> =
        found.into_iter().map(|tag| TagAnswer::of(of.repository.0, tag)).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

fn read(name: &str) -> Result<Tag, Failure> {
    name.parse().map_err(|error| Failure::bad_request(format!("name: {error}")))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(name): Extension<RepositoryName>,
    Path(parameters): Path<HashMap<String, String>>,
    Body(request): Body<NewTag>,
) -> Result<StatusCode, Failure> {
    let tag = read(&request.name)?;
    let mut conn = api.db.read().await?;
    let of = named(&mut conn, &name, reference_in(&parameters)).await?;
    let create = permission(Resource::Tag, Action::Create);
    let grant = caller.require_to(&mut conn, &name, create).await?;
    drop(conn);
    let grant = grant.map_err(Failure::refused)?;
    api.registry.create_tag(&grant, &of.digest, &tag).await?;
    Ok(StatusCode::CREATED)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(name): Extension<RepositoryName>,
    Path(parameters): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let text = parameters.get("tag_name").map_or("", String::as_str);
    let missing = || Failure::not_found(format!("tag {text} not found on this artifact"));
    let tag: Tag = text.parse().map_err(|_| missing())?;
    let mut conn = api.db.read().await?;
    let of = named(&mut conn, &name, reference_in(&parameters)).await?;
    let named = roadstead_storage::tables::manifest::find_tagged(&mut conn, of.repository, &tag);
    if named.await?.is_none_or(|named| named.id != of.id) {
        return Err(missing());
    }
    let delete = permission(Resource::Tag, Action::Delete);
    let grant = caller.require_to(&mut conn, &name, delete).await?;
    drop(conn);
    api.registry.delete_tag(&grant.map_err(Failure::refused)?, &tag).await?;
    Ok(StatusCode::OK)
}
