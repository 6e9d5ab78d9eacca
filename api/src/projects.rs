//! Projects.

use axum::extract::rejection::JsonRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, PrincipalId, ProjectName, Resource, RoleId};
use roadstead_storage::Error as StorageError;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::{self, Filter, Project};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::guard::{Access, Routes, permission, truthy};
use crate::page::ListQuery;
use crate::{Api, BASE};

const UNLIMITED: i64 = -1;

pub(crate) fn register(routes: &mut Routes) {
    let read = Access::Project(permission(Resource::Project, Action::Read));
    routes.add(&Method::GET, "/projects", Access::Anyone, list);
    routes.add(&Method::HEAD, "/projects", Access::Login, exists);
    routes.add(&Method::POST, "/projects", Access::Login, create);
    routes.add(&Method::GET, "/projects/{project_name_or_id}", read, get);
}

/// Harbor's `ProjectReq`.
#[derive(Deserialize)]
struct ProjectReq {
    #[serde(default)]
    project_name: String,
    public: Option<bool>,
    #[serde(default)]
    metadata: Option<Metadata>,
    storage_limit: Option<i64>,
}

/// Harbor's `ProjectMetadata`; its values are strings.
#[derive(Default, Deserialize, Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    public: Option<String>,
}

/// Harbor's `Project`.
#[derive(Serialize)]
struct ProjectAnswer {
    project_id: i64,
    owner_id: i64,
    name: String,
    creation_time: String,
    update_time: String,
    owner_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_user_role_id: Option<i64>,
    current_user_role_ids: Option<Vec<i64>>,
    repo_count: i64,
    metadata: Metadata,
}

impl ProjectAnswer {
    fn new(project: Project, roles: Vec<RoleId>) -> Self {
        // The strongest first; ids are not ordered by power.
        let strongest = [1, 4, 2, 3, 5].into_iter().find(|id| roles.contains(&RoleId(*id)));
        let ids: Vec<i64> = roles.into_iter().map(|role| role.0).collect();
        Self {
            project_id: project.id.0,
            owner_id: project.owner.0,
            name: project.name,
            creation_time: project.created_at.rfc3339(),
            update_time: project.updated_at.rfc3339(),
            owner_name: project.owner_name,
            current_user_role_id: strongest,
            current_user_role_ids: (!ids.is_empty()).then_some(ids),
            repo_count: project.repositories,
            metadata: Metadata { public: Some(project.public.to_string()) },
        }
    }
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let filter = Filter {
        name: query.get("name").filter(|name| !name.is_empty()),
        owner: query.get("owner").filter(|owner| !owner.is_empty()),
        public: query.get("public").map(|public| truthy(public.as_bytes())),
    };
    let mut conn = api.db.read().await?;
    let total = project::count(&mut conn, caller.viewer(), filter).await?;
    let projects =
        project::list(&mut conn, caller.viewer(), filter, query.limit(), query.offset()).await?;
    let mut answers = Vec::with_capacity(projects.len());
    for project in projects {
        let roles = roles(&mut conn, &project, caller.id()).await?;
        answers.push(ProjectAnswer::new(project, roles));
    }
    Ok(query.answer(&format!("{BASE}/projects"), total, &answers))
}

async fn roles(
    conn: &mut roadstead_storage::Conn,
    project: &Project,
    principal: Option<PrincipalId>,
) -> Result<Vec<RoleId>, Failure> {
    match principal {
        Some(principal) => Ok(project::roles_of(conn, project.id, principal).await?),
        None => Ok(Vec::new()),
    }
}

async fn exists(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<StatusCode, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let name = query.get("project_name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::unprocessable("project_name in query is required"))?;
    match project::find(&mut api.db.read().await?, name).await? {
        Some(_) => Ok(StatusCode::OK),
        None => Err(Failure::not_found(format!("project {name} not found"))),
    }
}

async fn get(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
) -> Result<Json<ProjectAnswer>, Failure> {
    let roles = roles(&mut api.db.read().await?, &project, caller.id()).await?;
    Ok(Json(ProjectAnswer::new(project, roles)))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    request: Result<Json<ProjectReq>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(request) = request.map_err(|error| Failure::unprocessable(error.body_text()))?;
    let name: ProjectName = request.project_name.parse().map_err(|_| {
        Failure::bad_request(
            "project_name must have 1 to 255 lower-case letters and digits, separated by single \
             '.', '_' or '-'",
        )
    })?;
    let declared = request.metadata.unwrap_or_default().public;
    let public =
        declared.map_or(request.public.unwrap_or(false), |public| truthy(public.as_bytes()));
    // Only administrators set a limit; everybody else gets the default.
    let quota = match request.storage_limit {
        Some(limit) if caller.is_sysadmin() && limit != 0 => limit.max(UNLIMITED),
        _ => UNLIMITED,
    };
    let owner = caller.require_login().map_err(Failure::refused)?;
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    let id = match project::insert(&mut tx, &name, owner, public, quota, now).await {
        Err(StorageError::Conflict) => {
            return Err(Failure::conflict(format!("The project named {name} already exists")));
        }
        result => result?,
    };
    let event = Event {
        project: Some(id),
        resource_type: "project",
        resource: name.as_str(),
        operation: "create",
    };
    audit::record(&mut tx, caller.actor(), event, now).await?;
    tx.commit().await?;
    let by_name = headers.get("x-resource-name-in-location").is_some_and(|v| truthy(v.as_bytes()));
    let key = if by_name { name.to_string() } else { id.to_string() };
    Ok((StatusCode::CREATED, [(LOCATION, format!("{BASE}/projects/{key}"))]).into_response())
}
