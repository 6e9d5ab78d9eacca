//! What a webhook told, and how that went. Each event for each target is an execution with one
//! task, of the same id.

use std::collections::{BTreeMap, HashMap};

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{Method, Uri};
use roadstead_model::Action;
use roadstead_model::webhook::Event;
use roadstead_storage::tables::project::Project;
use roadstead_storage::tables::webhook_delivery::{self, Delivery};
use serde::Serialize;
use utoipa::ToSchema;

use super::{POLICY, access, policy_of};
use crate::Api;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Routes, number};
use crate::openapi::Description;
use crate::page::ListQuery;

pub(super) const COLUMNS: &[Column] = &[
    Column::new("id", "d.id", Kind::Integer),
    Column::new("status", "d.status", Kind::Text),
    Column::new("event_type", "d.event_type", Kind::Text),
    Column::new("notify_type", "d.kind", Kind::Text),
    Column::new("start_time", "d.created_at", Kind::Time).also(&["creation_time"]),
    Column::new("update_time", "d.updated_at", Kind::Time),
];

pub(super) fn register(routes: &mut Routes) {
    let about = |id, summary| Description::new(id, "webhook", summary);
    let all = format!("{POLICY}/executions");
    let description = about("ListExecutionsOfWebhookPolicy", "List what a webhook told");
    routes
        .add(&Method::GET, &all, access(Action::Read), executions, description)
        .listed()
        .answers_list::<WebhookExecution>();
    let tasks = format!("{all}/{{execution_id}}/tasks");
    let description = about("ListTasksOfWebhookExecution", "List the tasks of an execution");
    routes
        .add(&Method::GET, &tasks, access(Action::Read), list_tasks, description)
        .listed()
        .answers_list::<WebhookTask>();
    let one = format!("{tasks}/{{task_id}}/log");
    let description = about("GetLogsOfWebhookTask", "Read how telling somebody went");
    routes.add(&Method::GET, &one, access(Action::Read), log, description).answers_text();
}

/// Harbor's `Execution`.
#[derive(Serialize, ToSchema)]
#[schema(as = Execution)]
struct WebhookExecution {
    id: i64,
    vendor_type: &'static str,
    vendor_id: i64,
    status: String,
    metrics: BTreeMap<&'static str, i64>,
    trigger: &'static str,
    extra_attrs: BTreeMap<&'static str, String>,
    start_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    end_time: String,
}

/// Harbor's `Task`.
#[derive(Serialize, ToSchema)]
#[schema(as = Task)]
struct WebhookTask {
    id: i64,
    execution_id: i64,
    status: String,
    #[serde(skip_serializing_if = "is_zero")]
    run_count: i64,
    creation_time: String,
    update_time: String,
    start_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    end_time: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn end_time(found: &Delivery) -> String {
    if found.next_at.is_none() { found.updated_at.rfc3339() } else { String::new() }
}

/// What happened, in Harbor's own format. A row that cannot be read shows nothing.
pub(super) fn payload(api: &Api, found: &Delivery) -> String {
    let url = &api.external_url;
    let host = url.split_once("://").map_or(&**url, |(_, host)| host);
    let Ok(mut event) = serde_json::from_str::<Event>(&found.event) else {
        return String::new();
    };
    event.event_data.complete(host);
    event.payload().to_string()
}

impl WebhookExecution {
    fn new(api: &Api, found: Delivery) -> Self {
        let counted = match found.status.as_str() {
            "Success" => "success_task_count",
            "Error" => "error_task_count",
            "Running" => "running_task_count",
            "Stopped" => "stopped_task_count",
            _ => "pending_task_count",
        };
        Self {
            id: found.id,
            vendor_type: if found.kind == "slack" { "SLACK" } else { "WEBHOOK" },
            vendor_id: found.policy,
            metrics: [("task_count", 1), (counted, 1)].into(),
            trigger: "EVENT",
            extra_attrs: [
                ("event_type", found.event_type.clone()),
                ("payload", payload(api, &found)),
            ]
            .into(),
            start_time: found.created_at.rfc3339(),
            end_time: end_time(&found),
            status: found.status,
        }
    }
}

impl From<Delivery> for WebhookTask {
    fn from(found: Delivery) -> Self {
        Self {
            id: found.id,
            execution_id: found.id,
            run_count: found.attempts,
            creation_time: found.created_at.rfc3339(),
            update_time: found.updated_at.rfc3339(),
            start_time: found.created_at.rfc3339(),
            end_time: end_time(&found),
            status: found.status,
        }
    }
}

async fn executions(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let policy = policy_of(&api, &project, &path).await?;
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut order = sorting(&query, COLUMNS)?;
    if order.is_empty() {
        order.push(("d.created_at", true));
    }
    order.push(("d.id", true));
    let conditions = filters(&query, COLUMNS)?.conditions;
    let mut conn = api.db.read().await?;
    let total = webhook_delivery::count(&mut conn, policy.id, &conditions).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let found =
        webhook_delivery::list(&mut conn, policy.id, &conditions, &order, limit, offset).await?;
    let answers: Vec<WebhookExecution> =
        found.into_iter().map(|it| WebhookExecution::new(&api, it)).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn find(
    api: &Api,
    project: &Project,
    path: &HashMap<String, String>,
) -> Result<Delivery, Failure> {
    let policy = policy_of(api, project, path).await?;
    let id = number(path, "execution_id")?;
    let found = webhook_delivery::find(&mut api.db.read().await?, policy.id, id).await?;
    found.ok_or_else(|| Failure::not_found(format!("execution {id} not found")))
}

async fn list_tasks(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    sorting(&query, COLUMNS)?;
    let mut conditions = filters(&query, COLUMNS)?.conditions;
    let found = find(&api, &project, &path).await?;
    conditions.push(roadstead_storage::Condition {
        column: "d.id",
        test: roadstead_storage::Test::Equals(roadstead_storage::Operand::Integer(found.id)),
    });
    let mut conn = api.db.read().await?;
    let total = webhook_delivery::count(&mut conn, found.policy, &conditions).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let tasks =
        webhook_delivery::list(&mut conn, found.policy, &conditions, &[], limit, offset).await?;
    let answers: Vec<WebhookTask> = tasks.into_iter().map(WebhookTask::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}

async fn log(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let found = find(&api, &project, &path).await?;
    let task = number(&path, "task_id")?;
    if task != found.id {
        return Err(Failure::not_found(format!("task {task} not found")));
    }
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], found.log).into_response())
}
