//! Projects.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, Resource};
use roadstead_storage::tables::project::{self, Filter, Project};
use utoipa::openapi::schema::Type;

use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, permission, permitted_project, truthy};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

mod allowlist;
mod answer;
mod changes;
pub(crate) mod metadata;
mod summary;

pub(crate) use allowlist::CveAllowlist;
pub(crate) use answer::{ProjectAnswer, answers};
use changes::ProjectReq;
use summary::{ProjectDeletable, ProjectSummary};

const COLUMNS: &[Column] = &[
    Column::new("name", "p.name", Kind::Text),
    Column::new("project_id", "p.id", Kind::Integer).also(&["id"]),
    Column::new("owner_id", "p.owner_id", Kind::Integer),
    Column::new("owner_name", "o.name", Kind::Text).also(&["owner"]),
    Column::new("public", "p.public", Kind::Boolean),
    Column::new("creation_time", "p.created_at", Kind::Time),
    Column::new("update_time", "p.updated_at", Kind::Time),
];

pub(crate) fn register(routes: &mut Routes) {
    register_lists(routes);
    let one = "/projects/{project_name_or_id}";
    let access = |action| Access::Project(permission(Resource::Project, action));
    let about = |id, summary| Description::new(id, "project", summary);
    let description = about("createProject", "Make a project");
    routes
        .add(&Method::POST, "/projects", Access::Login, changes::create, description)
        .accepts::<ProjectReq>()
        .header("X-Resource-Name-In-Location", Type::Boolean)
        .status(201)
        .fails(&[404, 409, 412]);
    let description = about("getProject", "Find a project");
    routes
        .add(&Method::GET, one, access(Action::Read), get, description)
        .answers::<ProjectAnswer>();
    let description = about("updateProject", "Change settings of a project");
    routes
        .add(&Method::PUT, one, access(Action::Update), changes::update, description)
        .accepts::<ProjectReq>();
    let description = about("deleteProject", "Delete a project without content");
    routes
        .add(&Method::DELETE, one, access(Action::Delete), changes::delete, description)
        .fails(&[412]);
    let description = about("getProjectDeletable", "Ask whether a project can be deleted");
    let path = format!("{one}/_deletable");
    routes
        .add(&Method::GET, &path, access(Action::Delete), summary::deletable, description)
        .answers::<ProjectDeletable>();
    let description = about("getProjectSummary", "Count what a project has");
    let path = format!("{one}/summary");
    routes
        .add(&Method::GET, &path, access(Action::Read), summary::summary, description)
        .answers::<ProjectSummary>();
}

fn register_lists(routes: &mut Routes) {
    let about = |id, summary| Description::new(id, "project", summary);
    let description = about("listProjects", "List the projects that the caller can see");
    routes
        .add(&Method::GET, "/projects", Access::Anyone, list, description)
        .listed()
        .query("name", Type::String)
        .query("public", Type::Boolean)
        .query("owner", Type::String)
        .query("with_detail", Type::Boolean)
        .answers_list::<ProjectAnswer>();
    let description = about("headProject", "Ask whether a project exists");
    routes
        .add(&Method::HEAD, "/projects", Access::Anyone, exists, description)
        .needs_query("project_name", Type::String)
        .fails(&[403, 404]);
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut order = sorting(&query, COLUMNS)?;
    order.push(("p.name", false));
    let filters = filters(&query, COLUMNS)?;
    let filter = Filter {
        name: query.get("name").filter(|name| !name.is_empty()),
        owner: query.get("owner").filter(|owner| !owner.is_empty()),
        public: query.get("public").map(|public| truthy(public.as_bytes())),
        conditions: &filters.conditions,
        order: &order,
    };
    let detail = query.get("with_detail").is_none_or(|detail| truthy(detail.as_bytes()));
    let mut conn = api.db.read().await?;
    let total = project::count(&mut conn, caller.viewer(), filter).await?;
    let projects =
        project::list(&mut conn, caller.viewer(), filter, query.limit(), query.offset()).await?;
    let answers = answers(&mut conn, &caller, projects, detail).await?;
    Ok(query.answer(&format!("{BASE}/projects"), total, &answers))
}

/// Only those who may read a project learn that it exists.
async fn exists(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let name = query.get("project_name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::unprocessable("project_name in query is required"))?;
    let read = permission(Resource::Project, Action::Read);
    let mut conn = api.db.read().await?;
    let found = permitted_project(&mut conn, &caller, read, name, true).await?;
    found.map(|_| StatusCode::OK).map_err(Failure::refused)
}

async fn get(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
) -> Result<Json<ProjectAnswer>, Failure> {
    let mut conn = api.db.read().await?;
    let name = project.name.clone();
    let mut answers = answers(&mut conn, &caller, vec![project], true).await?;
    answers.pop().map(Json).ok_or_else(|| Failure::not_found(format!("project {name} not found")))
}
