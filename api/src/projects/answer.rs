//! Projects as they are answered.

use std::collections::HashMap;

use roadstead_auth::Caller;
use roadstead_model::{ProjectId, RoleId};
use roadstead_storage::Conn;
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::{binding, cve_allowlist, project_metadata};
use serde::Serialize;
use utoipa::ToSchema;

use super::allowlist::CveAllowlist;
use super::metadata::{Metadata, PUBLIC};
use crate::failure::Failure;

/// Harbor's `Project`.
#[derive(Serialize, ToSchema)]
#[schema(as = Project)]
pub(crate) struct ProjectAnswer {
    project_id: i64,
    owner_id: i64,
    name: String,
    creation_time: String,
    update_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_name: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    togglable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_user_role_id: Option<i64>,
    #[schema(required = true)]
    current_user_role_ids: Option<Vec<i64>>,
    repo_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cve_allowlist: Option<CveAllowlist>,
}

/// Projects with the caller's roles in them; in detail with their owners' names, settings and
/// accepted vulnerabilities.
pub(crate) async fn answers(
    conn: &mut Conn,
    caller: &Caller,
    projects: Vec<Project>,
    detail: bool,
) -> Result<Vec<ProjectAnswer>, Failure> {
    let ids: Vec<ProjectId> = projects.iter().map(|project| project.id).collect();
    let mut roles = match caller.id() {
        Some(id) => binding::roles_by_project(conn, id).await?,
        None => HashMap::new(),
    };
    let repositories = project::repositories_of(conn, &ids).await?;
    let (mut settings, mut lists) = (HashMap::new(), HashMap::new());
    if detail {
        settings = project_metadata::of(conn, &ids).await?;
        lists = cve_allowlist::of(conn, &ids).await?;
    }
    let mut answers = Vec::with_capacity(projects.len());
    for project in projects {
        let mut metadata = settings.remove(&project.id).unwrap_or_default();
        metadata.insert(PUBLIC.to_owned(), project.public.to_string());
        let list = CveAllowlist::new(&project, lists.remove(&project.id));
        let roles = roles.remove(&project.id).unwrap_or_default();
        let may_change = caller.is_sysadmin() || roles.contains(&RoleId::PROJECT_ADMIN);
        // Harbor's ids are not ordered by power.
        let strongest = RoleId::BY_POWER.into_iter().find(|role| roles.contains(role));
        let strongest = strongest.or_else(|| roles.first().copied());
        answers.push(ProjectAnswer {
            project_id: project.id.0,
            owner_id: project.owner.0,
            name: project.name,
            creation_time: project.created_at.rfc3339(),
            update_time: project.updated_at.rfc3339(),
            owner_name: detail.then_some(project.owner_name),
            togglable: may_change,
            current_user_role_id: strongest.map(|role| role.0),
            current_user_role_ids: (!roles.is_empty())
                .then(|| roles.into_iter().map(|role| role.0).collect()),
            repo_count: repositories.get(&project.id).copied().unwrap_or(0),
            metadata: detail.then(|| metadata.into()),
            cve_allowlist: detail.then_some(list),
        });
    }
    Ok(answers)
}
