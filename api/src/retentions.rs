//! Retention: a policy for a project, which says which artifacts stay. A worker executes it.

mod executions;
mod log;
mod metadata;
mod shapes;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use roadstead_auth::Caller;
use roadstead_model::{
    Action, ProjectId, RETENTION, Repetition, Resource, RetentionParameters, Timestamp,
};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::project_metadata;
use roadstead_storage::tables::retention::{self as rows, Policy, Text};
use roadstead_storage::tables::schedule::{self, Schedule};
use roadstead_storage::{Turn, Tx};

use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission, refuse};
use crate::openapi::Description;
use crate::projects::metadata::RETENTION_ID;
use crate::{Api, BASE};

use shapes::RetentionPolicy;

/// The only level that Harbor has.
const LEVEL: &str = "project";

fn about(id: &'static str, summary: &'static str) -> Description {
    Description::new(id, "Retention", summary)
}

pub(crate) fn register(routes: &mut Routes) {
    metadata::register(routes);
    let one = "/retentions/{id}";
    let description = about("createRetention", "Make the retention policy of a project");
    routes
        .add(&Method::POST, "/retentions", Access::Login, create, description)
        .accepts::<RetentionPolicy>()
        .status(201)
        .fails(&[409]);
    let description = about("getRetention", "Find a retention policy");
    routes
        .add(&Method::GET, one, Access::Retention(Action::Read), get, description)
        .answers::<RetentionPolicy>();
    let description = about("updateRetention", "Change a retention policy");
    routes
        .add(&Method::PUT, one, Access::Retention(Action::Update), update, description)
        .accepts::<RetentionPolicy>()
        .fails(&[409]);
    let description = about("deleteRetention", "Delete a retention policy and its executions");
    routes.add(&Method::DELETE, one, Access::Retention(Action::Delete), delete, description);
    executions::register(routes);
}

async fn get(Extension(policy): Extension<Policy>) -> Json<RetentionPolicy> {
    Json(policy.into())
}

/// The project that a policy is to be for, if the caller may make one there.
async fn project_of(
    api: &Api,
    caller: &Caller,
    request: &RetentionPolicy,
) -> Result<Project, Failure> {
    let scope = request.scope.as_ref();
    let scope = scope.ok_or_else(|| Failure::bad_request("scope must not be empty"))?;
    if scope.level != LEVEL {
        return Err(Failure::bad_request(format!("scope.level must be {LEVEL}")));
    }
    let mut conn = api.db.read().await?;
    let found = project::find_by_id(&mut conn, ProjectId(scope.reference)).await?;
    let allowed = match &found {
        Some(project) => {
            let permission = permission(Resource::TagRetention, Action::Create);
            caller.require_in_project(&mut conn, project, permission).await?
        }
        None if caller.is_sysadmin() && caller.is_person() => Ok(()),
        None => Err(caller.refusal()),
    };
    // Writing a refusal down takes a connection.
    drop(conn);
    if let Err(refusal) = allowed {
        let path = format!("{BASE}/retentions");
        return Err(refuse(api, caller, &Method::POST, &path, refusal).await);
    }
    let reference = scope.reference;
    found.ok_or_else(|| Failure::bad_request(format!("project {reference} not found")))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    Body(request): Body<RetentionPolicy>,
) -> Result<Response, Failure> {
    let project = project_of(&api, &caller, &request).await?;
    let text = request.checked()?;
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    if !project::lock(&mut tx, project.id, now).await? {
        return Err(Failure::bad_request(format!("project {} not found", project.id)));
    }
    if let Some(there) = rows::of_project(&mut tx, project.id).await? {
        let (project, id) = (project.id, there.id);
        let message = format!("project {project} already has retention policy {id}");
        return Err(Failure::bad_request(message));
    }
    let id = rows::insert(&mut tx, project.id, &text, now).await?;
    put_schedule(&mut tx, id, &text, now).await?;
    project_metadata::put(&mut tx, project.id, RETENTION_ID, &id.to_string(), now).await?;
    record(&mut tx, &caller, &project, "create", &text.rules, now).await?;
    tx.commit().await?;
    let location = format!("{}/{id}", uri.path().trim_end_matches('/'));
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(policy): Extension<Policy>,
    Extension(project): Extension<Project>,
    Body(request): Body<RetentionPolicy>,
) -> Result<StatusCode, Failure> {
    let is_elsewhere = |scope: &shapes::RetentionPolicyScope| {
        scope.level != LEVEL || scope.reference != policy.project.0
    };
    if request.scope.as_ref().is_some_and(is_elsewhere) {
        return Err(Failure::bad_request("the scope of a policy cannot be changed"));
    }
    let text = request.checked()?;
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    if !rows::update(&mut tx, policy.id, &text, now).await? {
        return Err(gone(policy.id));
    }
    put_schedule(&mut tx, policy.id, &text, now).await?;
    record(&mut tx, &caller, &project, "update", &text.rules, now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(policy): Extension<Policy>,
    Extension(project): Extension<Project>,
) -> Result<StatusCode, Failure> {
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    project_metadata::remove(&mut tx, project.id, RETENTION_ID, now).await?;
    if !rows::remove(&mut tx, policy.id).await? {
        return Err(gone(policy.id));
    }
    record(&mut tx, &caller, &project, "delete", "", now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

fn gone(id: i64) -> Failure {
    Failure::bad_request(format!("retention policy {id} not found"))
}

/// Makes, changes or removes the schedule of a policy, as its cron says.
async fn put_schedule(tx: &mut Tx, id: i64, text: &Text, now: Timestamp) -> Result<(), Failure> {
    if text.cron.is_empty() {
        schedule::remove_of(tx, (RETENTION, id)).await?;
        return Ok(());
    }
    let next_at = Repetition::parse(&text.cron).ok().and_then(|repetition| repetition.next(now));
    let new = Schedule {
        job: RETENTION.to_owned(),
        vendor: id,
        kind: "Custom".to_owned(),
        cron: text.cron.clone(),
        parameters: parameters(false, text.delete_when_nothing_matches),
        next_at,
        created_at: now,
        updated_at: now,
    };
    Ok(schedule::put(tx, &new).await?)
}

/// What an execution is to do, in JSON.
fn parameters(dry_run: bool, delete_when_nothing_matches: bool) -> String {
    let asked = RetentionParameters {
        dry_run,
        delete_when_nothing_matches,
        ..RetentionParameters::default()
    };
    serde_json::to_string(&asked).unwrap_or_default()
}

async fn record(
    tx: &mut Tx,
    caller: &Caller,
    project: &Project,
    operation: &'static str,
    text: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let event = Event::of("retention_policy", &project.name, operation).in_project(project.id);
    Ok(audit::record(tx, caller.actor(), event.described(text), now).await?)
}
