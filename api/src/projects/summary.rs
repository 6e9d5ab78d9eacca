//! What a project comes to, and whether it can go.

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_auth::Caller;
use roadstead_model::{Action, Resource, RoleId};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::{member, usage};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::failure::Failure;
use crate::guard::permission;
use crate::quotas::Storage;

/// Harbor's `ProjectDeletable`.
#[derive(Serialize, ToSchema)]
pub(super) struct ProjectDeletable {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deletable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// Harbor's `ProjectSummary`.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct ProjectSummary {
    repo_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_admin_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maintainer_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    developer_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guest_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limited_guest_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<ProjectSummaryQuota>,
}

/// Harbor's `ProjectSummaryQuota`.
#[derive(Serialize, ToSchema)]
struct ProjectSummaryQuota {
    hard: Storage,
    used: Storage,
}

pub(super) async fn deletable(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
) -> Result<Json<ProjectDeletable>, Failure> {
    let mut conn = api.db.read().await?;
    let deletable = project::count_repositories(&mut conn, project.id).await? == 0;
    let message = "the project contains repositories, can not be deleted";
    Ok(Json(ProjectDeletable { deletable, message: (!deletable).then_some(message) }))
}

/// The quota and the numbers of members are for those who may read them.
pub(super) async fn summary(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
) -> Result<Json<ProjectSummary>, Failure> {
    let mut conn = api.db.read().await?;
    let repo_count = project::count_repositories(&mut conn, project.id).await?;
    let mut summary = ProjectSummary { repo_count, ..Default::default() };
    let quota = permission(Resource::Quota, Action::Read);
    if caller.require_in_project(&mut conn, &project, quota).await?.is_ok() {
        let usage = usage::find(&mut conn, project.id).await?;
        summary.quota = usage.map(|usage| ProjectSummaryQuota {
            hard: Storage::of(usage.quota),
            used: Storage::of(usage.used),
        });
    }
    let members = permission(Resource::Member, Action::List);
    if caller.require_in_project(&mut conn, &project, members).await?.is_ok() {
        let counts = member::count_by_role(&mut conn, project.id).await?;
        let of =
            |id: i64| counts.iter().find(|(role, _)| *role == RoleId(id)).map(|(_, count)| *count);
        summary.project_admin_count = of(1);
        summary.developer_count = of(2);
        summary.guest_count = of(3);
        summary.maintainer_count = of(4);
        summary.limited_guest_count = of(5);
    }
    Ok(Json(summary))
}
