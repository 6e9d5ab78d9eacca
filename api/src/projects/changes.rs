//! Making, changing and deleting projects.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{PrincipalId, ProjectId, ProjectName, Timestamp};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::{cve_allowlist, project_metadata, user};
use roadstead_storage::{Error as StorageError, Turn, Tx};
use serde::Deserialize;
use utoipa::ToSchema;

use super::allowlist::CveAllowlist;
use super::metadata::{Metadata, PUBLIC, RETENTION_ID};
use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{self, truthy};
use crate::quotas::{self, UNLIMITED};
use crate::{Api, BASE};

/// Harbor's `ProjectReq`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"project_name": "team", "metadata": {"public": "false"}, "storage_limit": -1}))]
pub(super) struct ProjectReq {
    project_name: Option<String>,
    public: Option<bool>,
    metadata: Option<Metadata>,
    cve_allowlist: Option<CveAllowlist>,
    storage_limit: Option<i64>,
    registry_id: Option<i64>,
}

/// What a request wants to be set, checked.
struct Settings {
    public: Option<bool>,
    retention_id: Option<String>,
    others: BTreeMap<&'static str, String>,
    accepted: Option<(Option<Timestamp>, Vec<String>)>,
}

impl ProjectReq {
    /// What is to be set in `project`, None for one that is to be made.
    fn settings(self, project: Option<ProjectId>) -> Result<Settings, Failure> {
        if self.registry_id.is_some_and(|id| id != 0) {
            return Err(Failure::bad_request(
                "registry_id makes a project a proxy cache, and this server has none",
            ));
        }
        let mut others = self.metadata.unwrap_or_default().checked()?;
        let public = others.remove(PUBLIC).map(|public| public == "true").or(self.public);
        let accepted = self.cve_allowlist.map(|list| list.checked(project)).transpose()?;
        Ok(Settings { public, retention_id: others.remove(RETENTION_ID), others, accepted })
    }
}

impl Settings {
    /// Writes all but whether the project is public, and says in words what was set.
    async fn write(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.public.map(|public| format!("public={public}")));
        for (name, value) in &self.others {
            project_metadata::put(tx, project, name, value, now).await?;
            words.push(format!("{name}={value}"));
        }
        if let Some((expires_at, items)) = &self.accepted {
            cve_allowlist::put(tx, project, *expires_at, items, now).await?;
            words.push(format!("{} accepted vulnerabilities", items.len()));
        }
        Ok(words.join(", "))
    }
}

pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(request): Body<ProjectReq>,
) -> Result<Response, Failure> {
    let owner = owner(&api, &caller).await?;
    let name: ProjectName =
        request.project_name.as_deref().unwrap_or_default().parse().map_err(|_| {
            Failure::bad_request(
                "project_name must have 1 to 255 lower-case letters and digits, separated by \
                 single '.', '_' or '-'",
            )
        })?;
    let quota = quota(&api, &caller, request.storage_limit).await?;
    let settings = request.settings(None)?;
    if settings.retention_id.is_some() {
        return Err(Failure::bad_request("a new project has no retention_id yet"));
    }
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let public = settings.public.unwrap_or(false);
    let id = match project::insert(&mut tx, &name, owner, public, quota, now).await {
        Err(StorageError::Conflict) => {
            return Err(Failure::conflict(format!("The project named {name} already exists")));
        }
        result => result?,
    };
    let words = settings.write(&mut tx, id, now).await?;
    let event = Event::of("project", name.as_str(), "create").in_project(id).described(&words);
    audit::record(&mut tx, caller.actor(), event, now).await?;
    tx.commit().await?;
    let by_name = headers.get("x-resource-name-in-location").is_some_and(|v| truthy(v.as_bytes()));
    let key = if by_name { name.to_string() } else { id.to_string() };
    Ok((StatusCode::CREATED, [(LOCATION, format!("{BASE}/projects/{key}"))]).into_response())
}

/// Who will own a project that the caller makes, if they may: themselves, or for robots the
/// first administrator.
async fn owner(api: &Api, caller: &Caller) -> Result<PrincipalId, Failure> {
    let path = format!("{BASE}/projects");
    let configuration = api.auth.configuration().await?;
    let mut conn = api.db.read().await?;
    let allowed = caller.require_making_projects(&mut conn).await?;
    let restricted = configuration.text("project_creation_restriction") == "adminonly"
        && !caller.is_sysadmin()
        && !caller.is_robot();
    let first = user::first_sysadmin(&mut conn).await?;
    drop(conn);
    match allowed {
        Err(refusal) => Err(guard::refuse(api, caller, &Method::POST, &path, refusal).await),
        Ok(()) if restricted => {
            guard::refuse(api, caller, &Method::POST, &path, Refusal::Denied).await;
            Err(Failure::forbidden("Only system admin can create project"))
        }
        Ok(()) if caller.is_robot() => {
            let first = first.ok_or_else(|| Failure::precondition("there is no administrator"))?;
            Ok(first.principal.id)
        }
        Ok(()) => caller.require_login().map_err(Failure::refused),
    }
}

/// The storage limit of a new project, in bytes. Administrators, and robots that may make
/// projects, set one; everybody else, and who says 0, gets the default.
async fn quota(api: &Api, caller: &Caller, wanted: Option<i64>) -> Result<i64, Failure> {
    match wanted.filter(|limit| *limit != 0 && (caller.is_sysadmin() || caller.is_robot())) {
        Some(limit) => quotas::checked(limit),
        None => match api.auth.configuration().await?.number("storage_per_project") {
            0 => Ok(UNLIMITED),
            limit => Ok(limit),
        },
    }
}

/// Changes settings: those that are not named stay. The name and the storage limit stay, too.
pub(super) async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Body(request): Body<ProjectReq>,
) -> Result<StatusCode, Failure> {
    let settings = request.settings(Some(project.id))?;
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    if !project::lock(&mut tx, project.id, now).await? {
        return Err(Failure::not_found(format!("project {} not found", project.name)));
    }
    if let Some(given) = &settings.retention_id {
        let present = project_metadata::find(&mut tx, project.id, RETENTION_ID).await?;
        if present.as_ref() != Some(given) {
            return Err(Failure::bad_request("retention_id is set by the retention policy only"));
        }
    }
    if let Some(public) = settings.public {
        project::set_public(&mut tx, project.id, public, now).await?;
    }
    let words = settings.write(&mut tx, project.id, now).await?;
    let event = Event::of("project", &project.name, "update").in_project(project.id);
    audit::record(&mut tx, caller.actor(), event.described(&words), now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

pub(super) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
) -> Result<StatusCode, Failure> {
    api.registry.delete_project(&caller, &project).await?;
    Ok(StatusCode::OK)
}
