//! Deleted repositories.

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

const DELETE: Permission = permission(Resource::Repository, Action::Delete);

const COLUMNS: &[Column] = &[
    Column::new("id", "d.id", Kind::Integer),
    Column::new("name", "d.name", Kind::Text),
    Column::new("deletion_time", "d.deleted_at", Kind::Time),
    Column::new("deleted_by", "d.deleted_by", Kind::Text),
    Column::new("expiration_time", "d.kept_until", Kind::Time),
];

pub(super) fn register(routes: &mut Routes) {
    let all = "/projects/{project_name_or_id}/deleted/repositories";
    let one = format!("{all}/{{deleted_repository_id}}/restore");
    let summary = "List the repositories that can be brought back";
    let description = about("listDeletedRepositories", summary);
    routes
        .add(&Method::GET, all, listed(Resource::Repository), list, description)
        .listed()
        .answers_list::<DeletedRepository>();
    let description = about("restoreRepository", "Bring a repository back with all that was in it");
    routes
        .add(&Method::POST, &one, Access::Project(DELETE), restore, description)
        .answers::<Restoration>()
        .fails(&[409, 412]);
}

/// A repository that was deleted and can be brought back.
#[derive(Debug, Serialize, ToSchema)]
struct DeletedRepository {
    id: i64,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    /// How many artifacts it had, with those that indexes name.
    artifact_count: i64,
    deletion_time: String,
    deleted_by: String,
    expiration_time: String,
}

impl From<deleted::Repository> for DeletedRepository {
    fn from(found: deleted::Repository) -> Self {
        Self {
            id: found.id,
            name: found.name,
            description: found.description,
            artifact_count: found.artifacts,
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
    let usual = [("d.deleted_at", true), ("d.id", true)];
    let order = sorted_or(&query, COLUMNS, usual)?;
    let conditions = filters(&query, COLUMNS)?.conditions;
    let mut conn = api.db.read().await?;
    let total = deleted::count_repositories(&mut conn, project.id, &conditions).await?;
    let page = (query.limit(), query.offset());
    let found =
        deleted::list_repositories(&mut conn, project.id, &conditions, &order, page).await?;
    let answers: Vec<DeletedRepository> = found.into_iter().map(DeletedRepository::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn restore(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<Restoration>, Failure> {
    let id = number(&path, "deleted_repository_id")?;
    let mut conn = api.db.read().await?;
    let found = deleted::find_repository(&mut conn, project.id, id).await?;
    let found = found.ok_or_else(|| missing("repository", id))?;
    let grant = granted(&api, conn, &caller, &found.name, DELETE).await?;
    Ok(Json(api.registry.restore_repository(&grant, id).await?.into()))
}
