//! Deleted artifacts.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::{Method, StatusCode, Uri};
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

const DELETE: Permission = permission(Resource::Artifact, Action::Delete);

const COLUMNS: &[Column] = &[
    Column::new("id", "a.id", Kind::Integer),
    Column::new("repository_name", "a.repository", Kind::Text),
    Column::new("digest", "a.digest", Kind::Text),
    Column::new("type", "a.kind", Kind::Text),
    Column::new("deletion_time", "a.deleted_at", Kind::Time),
    Column::new("deleted_by", "a.deleted_by", Kind::Text),
    Column::new("expiration_time", "a.kept_until", Kind::Time),
    Column::new("deleted_repository_id", "a.deleted_repository_id", Kind::Integer),
];

pub(super) fn register(routes: &mut Routes) {
    let all = "/projects/{project_name_or_id}/deleted/artifacts";
    let one = format!("{all}/{{deleted_artifact_id}}");
    let description = about("listDeletedArtifacts", "List the artifacts that can be brought back");
    routes
        .add(&Method::GET, all, listed(Resource::Artifact), list, description)
        .listed()
        .answers_list::<DeletedArtifact>();
    let summary = "Bring an artifact back, with its tags, what it names and what belongs to it";
    let description = about("restoreArtifact", summary);
    routes
        .add(
            &Method::POST,
            &format!("{one}/restore"),
            Access::Project(DELETE),
            restore,
            description,
        )
        .answers::<Restoration>()
        .fails(&[409, 412]);
    let description = about("forgetArtifact", "Keep a deleted artifact no longer");
    routes.add(&Method::DELETE, &one, Access::Project(DELETE), forget, description);
}

/// An artifact that was deleted and can be brought back.
#[derive(Debug, Serialize, ToSchema)]
struct DeletedArtifact {
    id: i64,
    repository_name: String,
    digest: String,
    media_type: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    /// Its bytes and those of all that it names.
    size: i64,
    /// The tags that it was deleted with.
    tags: Vec<String>,
    /// The digest of the artifact that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    belongs_to: Option<String>,
    /// The deleted repository that it was deleted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_repository_id: Option<i64>,
    /// Whether it counts in the quota.
    counted: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    deletion_time: String,
    deleted_by: String,
    expiration_time: String,
}

impl DeletedArtifact {
    fn of(found: deleted::Artifact, tags: Vec<String>) -> Self {
        Self {
            id: found.id,
            repository_name: found.repository,
            digest: found.digest,
            media_type: found.media_type,
            kind: found.kind,
            artifact_type: found.artifact_type,
            size: found.total_size,
            tags,
            belongs_to: found.belongs_to,
            deleted_repository_id: found.deleted_repository,
            counted: found.counted,
            reason: found.reason,
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
    let usual = [("a.deleted_at", true), ("a.id", true)];
    let order = sorted_or(&query, COLUMNS, usual)?;
    let conditions = filters(&query, COLUMNS)?.conditions;
    let mut conn = api.db.read().await?;
    let total = deleted::count_artifacts(&mut conn, project.id, &conditions).await?;
    let page = (query.limit(), query.offset());
    let found = deleted::list_artifacts(&mut conn, project.id, &conditions, &order, page).await?;
    let ids: Vec<i64> = found.iter().map(|found| found.id).collect();
    let mut tags = deleted::tags_of(&mut conn, &ids).await?;
    let with_tags = |found: deleted::Artifact| {
        let tags = tags.remove(&found.id).unwrap_or_default();
        DeletedArtifact::of(found, tags)
    };
    let answers: Vec<DeletedArtifact> = found.into_iter().map(with_tags).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn restore(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<Restoration>, Failure> {
    let id = number(&path, "deleted_artifact_id")?;
    let mut conn = api.db.read().await?;
    let found = deleted::find_artifact(&mut conn, project.id, id).await?;
    let found = found.ok_or_else(|| missing("artifact", id))?;
    let grant = granted(&api, conn, &caller, &found.repository, DELETE).await?;
    Ok(Json(api.registry.restore_artifact(&grant, id).await?.into()))
}

async fn forget(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let id = number(&path, "deleted_artifact_id")?;
    let mut conn = api.db.read().await?;
    let found = deleted::find_artifact(&mut conn, project.id, id).await?;
    let found = found.ok_or_else(|| missing("artifact", id))?;
    let grant = granted(&api, conn, &caller, &found.repository, DELETE).await?;
    api.registry.forget_artifact(&grant, id, &found.digest).await?;
    Ok(StatusCode::OK)
}
