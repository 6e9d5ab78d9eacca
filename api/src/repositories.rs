//! Repositories.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use http::{Method, StatusCode, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, ProjectId, RepositoryName, Resource};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::repository::{self, Filter, NEWEST_FIRST, UPDATED_AT};
use roadstead_storage::{Operand, Test};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorted_or};
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;

/// The longest description, in bytes.
const LONGEST_DESCRIPTION: usize = 65_536;

/// The digest of a blob that the repository has.
const BLOB_DIGEST: &str = "blob_digest";

const COLUMNS: &[Column] = &[
    Column::new("name", "r.name", Kind::Text),
    Column::new("repository_id", "r.id", Kind::Integer).also(&["id"]),
    Column::new("project_id", "r.project_id", Kind::Integer),
    Column::new("description", "r.description", Kind::Text),
    Column::new("creation_time", "r.created_at", Kind::Time),
    Column::new("update_time", UPDATED_AT, Kind::Time),
    Column::handled(BLOB_DIGEST, Kind::Text),
];

pub(crate) fn register(routes: &mut Routes) {
    let of_project = "/projects/{project_name}/repositories";
    let one = "/projects/{project_name}/repositories/{repository_name}";
    let listed = permission(Resource::Repository, Action::List);
    let access = |action| Access::Repository(permission(Resource::Repository, action));
    let about = |id, summary| Description::new(id, "repository", summary);
    let description = about("listAllRepositories", "List the repositories that the caller sees");
    routes
        .add(&Method::GET, "/repositories", Access::Anyone, list_all, description)
        .listed()
        .answers_list::<RepositoryAnswer>();
    let description = about("listRepositories", "List the repositories of a project");
    routes
        .add(&Method::GET, of_project, Access::Project(listed), list, description)
        .listed()
        .answers_list::<RepositoryAnswer>();
    let description = about("getRepository", "Find a repository");
    routes
        .add(&Method::GET, one, access(Action::Read), get, description)
        .answers::<RepositoryAnswer>();
    let description = about("updateRepository", "Change the description of a repository");
    routes
        .add(&Method::PUT, one, access(Action::Update), update, description)
        .accepts::<RepositoryReq>();
    let description = about("deleteRepository", "Delete a repository with all that is in it");
    routes.add(&Method::DELETE, one, access(Action::Delete), delete, description).fails(&[412]);
}

/// Harbor's `Repository`, of which a client can change the description.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = RepositoryUpdate)]
#[serde(default)]
#[schema(example = json!({"description": "What greets."}))]
struct RepositoryReq {
    description: Option<String>,
}

/// Harbor's `Repository`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Repository)]
struct RepositoryAnswer {
    id: i64,
    project_id: i64,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    artifact_count: i64,
    pull_count: i64,
    creation_time: String,
    update_time: String,
}

impl From<repository::Repository> for RepositoryAnswer {
    fn from(found: repository::Repository) -> Self {
        Self {
            id: found.id.0,
            project_id: found.project.0,
            name: found.name,
            description: found.description,
            artifact_count: found.artifacts,
            pull_count: found.pulls,
            creation_time: found.created_at.rfc3339(),
            update_time: found.updated_at.rfc3339(),
        }
    }
}

async fn list_all(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Failure> {
    answer(&api, &caller, None, &uri).await
}

/// Of a project in which the caller has a role for some repositories, those are listed.
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    uri: Uri,
) -> Result<Response, Failure> {
    answer(&api, &caller, Some(project.id), &uri).await
}

async fn answer(
    api: &Api,
    caller: &Caller,
    project: Option<ProjectId>,
    uri: &Uri,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(uri.query().unwrap_or_default())?;
    let order = sorted_or(&query, COLUMNS, NEWEST_FIRST)?;
    let filters = filters(&query, COLUMNS)?;
    let blob = match filters.handled.as_slice() {
        [] => None,
        [(BLOB_DIGEST, Test::Equals(Operand::Text(digest)))] => Some(digest.as_str()),
        _ => return Err(Failure::bad_request(format!("{BLOB_DIGEST} takes one digest"))),
    };
    let filter = Filter { project, name: "", blob, conditions: &filters.conditions, order: &order };
    let mut snapshot = api.db.snapshot().await?;
    let (total, found) =
        repository::page(&mut snapshot, caller.viewer(), filter, query.slice()).await?;
    let answers: Vec<RepositoryAnswer> = found.into_iter().map(RepositoryAnswer::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

fn missing(name: &RepositoryName) -> Failure {
    Failure::not_found(format!("repository {name} not found"))
}

async fn get(
    State(api): State<Api>,
    Extension(name): Extension<RepositoryName>,
) -> Result<Json<RepositoryAnswer>, Failure> {
    let found = repository::find(&mut api.db.read().await?, &name).await?;
    Ok(Json(found.ok_or_else(|| missing(&name))?.into()))
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(name): Extension<RepositoryName>,
    Body(request): Body<RepositoryReq>,
) -> Result<StatusCode, Failure> {
    let description = request.description.unwrap_or_default();
    if description.len() > LONGEST_DESCRIPTION || description.contains('\0') {
        let message = format!("a description has at most {LONGEST_DESCRIPTION} bytes, and no NUL");
        return Err(Failure::bad_request(message));
    }
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    let found = repository::find(&mut tx, &name).await?.ok_or_else(|| missing(&name))?;
    repository::set_description(&mut tx, found.id, &description, now).await?;
    let event = Event::of("repository", name.as_str(), "update").in_project(found.project);
    audit::record(&mut tx, caller.actor(), event.described("description"), now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(name): Extension<RepositoryName>,
) -> Result<StatusCode, Failure> {
    let mut conn = api.db.read().await?;
    if repository::find(&mut conn, &name).await?.is_none() {
        return Err(missing(&name));
    }
    let grant = caller.require(&mut conn, &name, Action::Delete).await?;
    drop(conn);
    api.registry.delete_repository(&grant.map_err(Failure::refused)?).await?;
    Ok(StatusCode::OK)
}
