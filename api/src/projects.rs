//! Projects.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, PrincipalId, ProjectName, Resource, RoleId};
use roadstead_storage::Error as StorageError;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::binding;
use roadstead_storage::tables::project::{self, Filter, Project};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission, truthy};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

const UNLIMITED: i64 = -1;

pub(crate) fn register(routes: &mut Routes) {
    let read = Access::Project(permission(Resource::Project, Action::Read));
    let about = |id, summary| Description::new(id, "project", summary);
    let description = about("listProjects", "List the projects that the caller can see");
    routes
        .add(&Method::GET, "/projects", Access::Anyone, list, description)
        .listed()
        .query("name", Type::String)
        .query("public", Type::Boolean)
        .query("owner", Type::String)
        .answers_list::<ProjectAnswer>();
    let description = about("headProject", "Ask whether a project exists");
    routes
        .add(&Method::HEAD, "/projects", Access::Login, exists, description)
        .needs_query("project_name");
    let description = about("createProject", "Make a project");
    routes
        .add(&Method::POST, "/projects", Access::Login, create, description)
        .accepts::<ProjectReq>()
        .status(201);
    let description = about("getProject", "Find a project");
    routes
        .add(&Method::GET, "/projects/{project_name_or_id}", read, get, description)
        .answers::<ProjectAnswer>();
}

/// Harbor's `ProjectReq`.
#[derive(Deserialize, ToSchema)]
struct ProjectReq {
    #[serde(default)]
    project_name: String,
    public: Option<bool>,
    #[serde(default)]
    metadata: Option<Metadata>,
    storage_limit: Option<i64>,
}

/// Harbor's `ProjectMetadata`; its values are strings.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[schema(as = ProjectMetadata)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    public: Option<String>,
}

/// Harbor's `Project`.
#[derive(Serialize, ToSchema)]
#[schema(as = Project)]
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
        let strongest = RoleId::BY_POWER.into_iter().find(|role| roles.contains(role));
        let ids: Vec<i64> = roles.into_iter().map(|role| role.0).collect();
        Self {
            project_id: project.id.0,
            owner_id: project.owner.0,
            name: project.name,
            creation_time: project.created_at.rfc3339(),
            update_time: project.updated_at.rfc3339(),
            owner_name: project.owner_name,
            current_user_role_id: strongest.map(|role| role.0),
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
        conditions: &[],
        order: &[("p.name", false)],
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
        Some(principal) => Ok(binding::roles_in(conn, project.id, principal).await?),
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
    Body(request): Body<ProjectReq>,
) -> Result<Response, Failure> {
    let configuration = api.auth.configuration().await?;
    let everyone = configuration.text("project_creation_restriction") != "adminonly";
    let mut conn = api.db.read().await?;
    let allowed = caller.require_project_creation(&mut conn, everyone).await?;
    allowed.map_err(Failure::refused)?;
    drop(conn);
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
    let event = Event::of("project", name.as_str(), "create").in_project(id);
    audit::record(&mut tx, caller.actor(), event, now).await?;
    tx.commit().await?;
    let by_name = headers.get("x-resource-name-in-location").is_some_and(|v| truthy(v.as_bytes()));
    let key = if by_name { name.to_string() } else { id.to_string() };
    Ok((StatusCode::CREATED, [(LOCATION, format!("{BASE}/projects/{key}"))]).into_response())
}
