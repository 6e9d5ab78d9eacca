//! Executions of a policy, and their tasks: one for each repository.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, RETENTION, RetentionParameters};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::execution::{self, Execution, Status, vendor};
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::retention::task::{self, Task};
use roadstead_storage::tables::retention::{Policy, verdict};
use roadstead_storage::{Conn, Turn};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{about, log, parameters};
use crate::Api;
use crate::body::{Body, null_as_default};
use crate::executions::NO_TIME;
use crate::failure::Failure;
use crate::guard::{Access, Routes, number};
use crate::page::ListQuery;

/// How many executions of a policy may wait.
const MOST_WAITING: i64 = 10;
/// What an execution can be told.
const STOP: &str = "stop";

pub(super) fn register(routes: &mut Routes) {
    let all = "/retentions/{id}/executions";
    let one = "/retentions/{id}/executions/{eid}";
    let tasks = "/retentions/{id}/executions/{eid}/tasks";
    let (list, update) = (Access::Retention(Action::List), Access::Retention(Action::Update));
    let description = about("triggerRetentionExecution", "Execute a retention policy");
    routes
        .add(&Method::POST, all, update, trigger, description)
        .accepts::<RetentionExecutionReq>()
        .status(201)
        .fails(&[409]);
    let description = about("listRetentionExecutions", "List the executions of a policy");
    routes
        .add(&Method::GET, all, list, executions, description)
        .paged()
        .answers_list::<RetentionExecution>();
    let description = about("operateRetentionExecution", "Stop an execution of a policy");
    routes.add(&Method::PATCH, one, update, operate, description).accepts::<RetentionOperation>();
    let description = about("listRetentionTasks", "List what an execution does, by repository");
    routes
        .add(&Method::GET, tasks, list, self::tasks, description)
        .paged()
        .answers_list::<RetentionExecutionTask>();
    let description = about("getRetentionTaskLog", "Read what was decided in a repository");
    let path = "/retentions/{id}/executions/{eid}/tasks/{tid}";
    let read = Access::Retention(Action::Read);
    routes.add(&Method::GET, path, read, task_log, description).answers_text();
}

/// What is asked of an execution.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"dry_run": true}))]
struct RetentionExecutionReq {
    /// Only tells what would be deleted.
    #[serde(deserialize_with = "null_as_default")]
    dry_run: bool,
    /// Ours: whether artifacts go in a repository where the rules select nothing at all; they also
    /// do where the policy says so.
    #[serde(deserialize_with = "null_as_default")]
    delete_when_nothing_matches: bool,
}

/// What an execution is told.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"action": "stop"}))]
struct RetentionOperation {
    /// `stop`.
    #[serde(deserialize_with = "null_as_default")]
    action: String,
}

/// Harbor's `RetentionExecution`.
#[derive(Serialize, ToSchema)]
struct RetentionExecution {
    id: i64,
    policy_id: i64,
    start_time: String,
    end_time: String,
    status: String,
    trigger: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

fn has_ended(status: &str) -> bool {
    ![Status::Pending, Status::Running].iter().any(|open| open.name() == status)
}

impl From<Execution> for RetentionExecution {
    fn from(found: Execution) -> Self {
        let asked: RetentionParameters =
            serde_json::from_str(&found.parameters).unwrap_or_default();
        let end = if has_ended(&found.status) { found.updated_at } else { NO_TIME };
        Self {
            id: found.id,
            policy_id: found.vendor,
            start_time: found.created_at.rfc3339(),
            end_time: end.rfc3339(),
            status: found.status,
            trigger: found.kind,
            dry_run: asked.dry_run,
        }
    }
}

/// Harbor's `RetentionExecutionTask`.
#[derive(Serialize, ToSchema)]
struct RetentionExecutionTask {
    id: i64,
    execution_id: i64,
    /// Below the project.
    repository: String,
    job_id: String,
    status: String,
    status_code: i64,
    status_revision: i64,
    start_time: String,
    end_time: String,
    total: i64,
    retained: i64,
}

impl RetentionExecutionTask {
    fn of(found: Task, project: &str) -> Self {
        let below = found.repository_name.strip_prefix(project);
        let below = below.and_then(|rest| rest.strip_prefix('/'));
        let repository = below.unwrap_or(&found.repository_name).to_owned();
        let end = found.ended_at.unwrap_or(NO_TIME);
        Self {
            id: found.id,
            execution_id: found.execution,
            repository,
            job_id: found.id.to_string(),
            status_code: match found.status.as_str() {
                status if has_ended(status) => 3,
                status if status == Status::Running.name() => 2,
                _ => 0,
            },
            status: found.status,
            status_revision: found.created_at.seconds(),
            start_time: found.created_at.rfc3339(),
            end_time: end.rfc3339(),
            total: found.total,
            retained: found.retained,
        }
    }
}

async fn trigger(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(policy): Extension<Policy>,
    Extension(project): Extension<Project>,
    uri: Uri,
    Body(request): Body<Option<RetentionExecutionReq>>,
) -> Result<Response, Failure> {
    let request = request.unwrap_or_default();
    let sure = request.delete_when_nothing_matches || policy.text.delete_when_nothing_matches;
    let asked = parameters(request.dry_run, sure);
    let (of, now) = ((RETENTION, policy.id), api.clock.now());
    let mut tx = api.db.begin_turn(Turn::Executions).await?;
    if vendor::waiting(&mut tx, of).await? >= MOST_WAITING {
        let message = format!("{MOST_WAITING} executions of the policy wait already");
        return Err(Failure::conflict(message));
    }
    let id = vendor::insert(&mut tx, of, "MANUAL", &asked, now).await?;
    let name = format!("execution {id}");
    let event = Event::of("retention", &name, "create").in_project(project.id);
    audit::record(&mut tx, caller.actor(), event.described(&asked), now).await?;
    tx.commit().await?;
    let location = format!("{}/{id}", uri.path().trim_end_matches('/'));
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

async fn executions(
    State(api): State<Api>,
    Extension(policy): Extension<Policy>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut conn = api.db.read().await?;
    let of = (RETENTION, policy.id);
    let total = vendor::count(&mut conn, of).await?;
    let found = vendor::list(&mut conn, of, query.limit(), query.offset()).await?;
    let answers: Vec<RetentionExecution> = found.into_iter().map(Into::into).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn find(
    conn: &mut Conn,
    policy: &Policy,
    path: &HashMap<String, String>,
) -> Result<Execution, Failure> {
    let id = number(path, "eid")?;
    let found = vendor::find(conn, (RETENTION, policy.id), id).await?;
    found.ok_or_else(|| Failure::not_found(format!("execution {id} not found")))
}

/// What has ended already stays as it is.
async fn operate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(policy): Extension<Policy>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    Body(request): Body<RetentionOperation>,
) -> Result<StatusCode, Failure> {
    if request.action != STOP {
        return Err(Failure::bad_request(format!("action must be {STOP}")));
    }
    let found = find(&mut api.db.read().await?, &policy, &path).await?;
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    let line = format!("stopped by {}", caller.actor().name);
    if execution::stop(&mut tx, found.id, &line, now).await? {
        let name = format!("execution {}", found.id);
        let event = Event::of("retention", &name, "stop").in_project(project.id);
        audit::record(&mut tx, caller.actor(), event, now).await?;
        tx.commit().await?;
    }
    Ok(StatusCode::OK)
}

async fn tasks(
    State(api): State<Api>,
    Extension(policy): Extension<Policy>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut conn = api.db.read().await?;
    let execution = find(&mut conn, &policy, &path).await?.id;
    let total = task::count(&mut conn, execution).await?;
    let found = task::list(&mut conn, execution, query.limit(), query.offset()).await?;
    let answers: Vec<RetentionExecutionTask> =
        found.into_iter().map(|found| RetentionExecutionTask::of(found, &project.name)).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn task_log(
    State(api): State<Api>,
    Extension(policy): Extension<Policy>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let mut conn = api.db.read().await?;
    let execution = find(&mut conn, &policy, &path).await?.id;
    let id = number(&path, "tid")?;
    let found = task::find(&mut conn, execution, id).await?;
    let found = found.ok_or_else(|| Failure::not_found(format!("task {id} not found")))?;
    let lines = verdict::all(&mut conn, found.id).await?;
    let text = log::written(&found.note, &lines);
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
