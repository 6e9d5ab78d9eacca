//! Single settings of projects, by their names.

use std::collections::{BTreeMap, HashMap};

use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, Resource, Timestamp};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::project_metadata as rows;
use roadstead_storage::{Error as StorageError, Turn, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::projects::metadata::{PUBLIC, RETENTION_ID, checked};

/// Settings by name; their values are strings.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = ProjectMetadatas)]
struct Settings(BTreeMap<String, String>);

pub(crate) fn register(routes: &mut Routes) {
    let all = "/projects/{project_name_or_id}/metadatas/";
    let one = "/projects/{project_name_or_id}/metadatas/{meta_name}";
    let access = |action| Access::Project(permission(Resource::Metadata, action));
    let about = |id, summary| Description::new(id, "projectMetadata", summary);
    let description = about("listProjectMetadatas", "List the settings of a project");
    routes.add(&Method::GET, all, access(Action::List), list, description).answers::<Settings>();
    let description = about("addProjectMetadatas", "Add a setting to a project");
    routes
        .add(&Method::POST, all, access(Action::Create), add, description)
        .accepts::<Settings>()
        .fails(&[409]);
    let description = about("getProjectMetadata", "Find a setting of a project");
    routes.add(&Method::GET, one, access(Action::Read), get, description).answers::<Settings>();
    let description = about("updateProjectMetadata", "Change a setting of a project");
    routes
        .add(&Method::PUT, one, access(Action::Update), update, description)
        .accepts::<Settings>();
    let description = about("deleteProjectMetadata", "Remove a setting of a project");
    routes.add(&Method::DELETE, one, access(Action::Delete), delete, description);
}

async fn settings(api: &Api, project: &Project) -> Result<Settings, Failure> {
    let mut all = rows::of(&mut api.db.read().await?, &[project.id]).await?;
    let mut settings = all.remove(&project.id).unwrap_or_default();
    settings.insert(PUBLIC.to_owned(), project.public.to_string());
    Ok(Settings(settings))
}

async fn list(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
) -> Result<Json<Settings>, Failure> {
    settings(&api, &project).await.map(Json)
}

/// One setting as an object, which is empty when the project does not have it.
async fn get(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<Settings>, Failure> {
    let mut settings = settings(&api, &project).await?;
    settings.0.retain(|name, _| Some(name) == path.get("meta_name"));
    Ok(Json(settings))
}

/// The one setting of a body.
fn only(Settings(mut given): Settings) -> Result<(&'static str, String), Failure> {
    match (given.pop_first(), given.is_empty()) {
        (Some((name, value)), true) => checked(&name, &value),
        _ => Err(Failure::bad_request("only allow one key/value pair")),
    }
}

fn missing(name: &str) -> Failure {
    Failure::not_found(format!("the project has no setting {name}"))
}

async fn record(
    tx: &mut Tx,
    caller: &Caller,
    project: &Project,
    words: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let event = Event::of("project", &project.name, "update").in_project(project.id);
    Ok(audit::record(tx, caller.actor(), event.described(words), now).await?)
}

async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Body(given): Body<Settings>,
) -> Result<StatusCode, Failure> {
    let (name, value) = only(given)?;
    let conflict = || Failure::conflict(format!("the project has the setting {name} already"));
    if name == PUBLIC {
        return Err(conflict());
    }
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    match rows::insert(&mut tx, project.id, name, &value, now).await {
        Err(StorageError::Conflict) => return Err(conflict()),
        result => result?,
    }
    record(&mut tx, &caller, &project, &format!("{name}={value}"), now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    Body(given): Body<Settings>,
) -> Result<StatusCode, Failure> {
    let (name, value) = only(given)?;
    if path.get("meta_name").is_none_or(|named| named != name) {
        return Err(Failure::bad_request("the body must have the setting that the path names"));
    }
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    if name == PUBLIC {
        project::set_public(&mut tx, project.id, value == "true", now).await?;
    } else if !rows::update(&mut tx, project.id, name, &value, now).await? {
        return Err(missing(name));
    }
    record(&mut tx, &caller, &project, &format!("{name}={value}"), now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

/// A project that is said to be public no more is private.
async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let name = path.get("meta_name").map_or("", String::as_str);
    if name == RETENTION_ID {
        return Err(Failure::bad_request("delete the retention policy instead"));
    }
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    if name == PUBLIC {
        project::set_public(&mut tx, project.id, false, now).await?;
    } else if !rows::remove(&mut tx, project.id, name, now).await? {
        return Err(missing(name));
    }
    record(&mut tx, &caller, &project, &format!("{name} removed"), now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}
