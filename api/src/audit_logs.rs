//! The audit log. Harbor has an old table and a new one with two shapes; here both show the same
//! events.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::{Method, Uri};
use roadstead_auth::Caller;
use roadstead_model::{Action, Permission, Resource};
use roadstead_storage::tables::audit::{self, EVENT_TYPES, Entry, NEWEST_FIRST, Part};
use roadstead_storage::tables::paged::Slice;
use roadstead_storage::tables::project::Project;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorted_or};
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;

const SYSTEM: Permission = permission(Resource::AuditLog, Action::List);
const PROJECT: Permission = permission(Resource::Log, Action::List);

/// The most that one answer has, also without pages: the log grows without end.
const LONGEST_ANSWER: i64 = 10_000;

const COLUMNS: [Column; 12] = [
    Column::new("id", "a.id", Kind::Integer),
    Column::new("username", "a.actor", Kind::Text),
    Column::new("operation", "a.operation", Kind::Text),
    Column::new("resource_type", "a.resource_type", Kind::Text),
    Column::new("resource", "a.resource", Kind::Text),
    Column::new("op_time", "a.at", Kind::Time),
    // Harbor's clients sort by it; Harbor ignores what it does not know.
    Column::new("creation_time", "a.at", Kind::Time),
    Column::new("operation_result", "a.success", Kind::Boolean),
    Column::new("operation_description", "a.description", Kind::Text),
    Column::new("project_id", "a.project_id", Kind::Integer),
    Column::new("address", "a.address", Kind::Text),
    Column::new("request_id", "a.request_id", Kind::Text),
];

pub(crate) fn register(routes: &mut Routes) {
    let about = |id, summary| Description::new(id, "auditlog", summary);
    let description = about("listAuditLogs", "List the audit log, in Harbor's older shape");
    routes
        .add(&Method::GET, "/audit-logs", Access::Login, list::<AuditLog>, description)
        .listed()
        .answers_list::<AuditLog>();
    let description = about("listAuditLogExts", "List the audit log");
    routes
        .add(&Method::GET, "/auditlog-exts", Access::Login, list::<AuditLogExt>, description)
        .listed()
        .answers_list::<AuditLogExt>();
    let description = about("listAuditLogEventTypes", "List the types of events");
    let path = "/auditlog-exts/events";
    routes
        .add(&Method::GET, path, Access::System(SYSTEM), event_types, description)
        .answers_list::<EventType>();
    let about = |id, summary| Description::new(id, "project", summary);
    let own = Access::Project(PROJECT);
    let description = about("getLogs", "List the audit log of a project, in Harbor's older shape");
    routes
        .add(
            &Method::GET,
            "/projects/{project_name}/logs",
            own,
            list_of_project::<AuditLog>,
            description,
        )
        .listed()
        .answers_list::<AuditLog>();
    let description = about("getLogExts", "List the audit log of a project");
    let path = "/projects/{project_name}/auditlog-exts";
    routes
        .add(&Method::GET, path, own, list_of_project::<AuditLogExt>, description)
        .listed()
        .answers_list::<AuditLogExt>();
}

/// Harbor's `AuditLog`.
#[derive(Serialize, ToSchema)]
struct AuditLog {
    id: i64,
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    resource: String,
    resource_type: String,
    operation: String,
    op_time: String,
}

/// In the older shape what was pushed with a tag goes by the tag alone, as in Harbor.
fn without_digest(resource: &str) -> &str {
    match resource.split_once("@sha") {
        Some((tagged, _)) if tagged.contains(':') => tagged,
        _ => resource,
    }
}

impl From<Entry> for AuditLog {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            username: entry.actor,
            resource: without_digest(&entry.resource).to_owned(),
            resource_type: entry.resource_type,
            operation: entry.operation,
            op_time: entry.at.rfc3339(),
        }
    }
}

/// Harbor's `AuditLogExt`, and behind its fields three of ours.
#[derive(Serialize, ToSchema)]
struct AuditLogExt {
    id: i64,
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    resource: String,
    resource_type: String,
    operation: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    operation_description: String,
    operation_result: bool,
    op_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<i64>,
    /// Where the request came from.
    #[serde(skip_serializing_if = "String::is_empty")]
    address: String,
    /// The request's `X-Request-Id`.
    #[serde(skip_serializing_if = "String::is_empty")]
    request_id: String,
}

impl From<Entry> for AuditLogExt {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            username: entry.actor,
            resource: entry.resource,
            resource_type: entry.resource_type,
            operation: entry.operation,
            operation_description: entry.description,
            operation_result: entry.success,
            op_time: entry.at.rfc3339(),
            project_id: entry.project.map(|id| id.0),
            address: entry.address,
            request_id: entry.request_id,
        }
    }
}

/// Harbor's `AuditLogEventType`.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLogEventType)]
struct EventType {
    event_type: &'static str,
}

async fn event_types() -> Json<Vec<EventType>> {
    Json(EVENT_TYPES.iter().map(|event_type| EventType { event_type }).collect())
}

/// Who may not read all of it gets what belongs to the projects whose log they may read.
async fn list<T: From<Entry> + Serialize>(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let everything = caller.require_system(&mut api.db.read().await?, SYSTEM).await?.is_ok();
    let part = if everything { Part::Everything } else { Part::Where(caller.viewer(), PROJECT) };
    page::<T>(&api, part, &uri, query).await
}

async fn list_of_project<T: From<Entry> + Serialize>(
    State(api): State<Api>,
    Extension(project): Extension<Project>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    page::<T>(&api, Part::Project(project.id), &uri, query).await
}

async fn page<T: From<Entry> + Serialize>(
    api: &Api,
    part: Part,
    uri: &Uri,
    query: Option<String>,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let conditions = filters(&query, &COLUMNS)?.conditions;
    let order = sorted_or(&query, &COLUMNS, NEWEST_FIRST)?;
    let slice = Slice { limit: query.limit().min(LONGEST_ANSWER), ..query.slice() };
    // One state for both, so that the total belongs to the page.
    let mut snapshot = api.db.snapshot().await?;
    let (total, entries) = audit::page(&mut snapshot, part, &conditions, &order, slice).await?;
    let answers: Vec<T> = entries.into_iter().map(T::from).collect();
    Ok(query.answer(uri.path(), total, &answers))
}
