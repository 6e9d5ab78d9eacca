//! Purging the audit log: now, or on a schedule. What is asked for becomes a row; a worker does it.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, PURGE_AUDIT_LOG, Resource};
use roadstead_storage::Tx;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::execution::{self, Execution};
use roadstead_storage::tables::schedule::{self, Schedule};

use crate::body::Body;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

mod shapes;

use shapes::{ExecHistory, ScheduleReq, Wanted};

const PATH: &str = "/system/purgeaudit";
const SCHEDULE: &str = "/system/purgeaudit/schedule";
const ONE: &str = "/system/purgeaudit/{purge_id}";
const LOG: &str = "/system/purgeaudit/{purge_id}/log";

const COLUMNS: [Column; 5] = [
    Column::new("id", "e.id", Kind::Integer),
    Column::new("status", "e.status", Kind::Text).also(&["job_status"]),
    Column::new("trigger", "e.kind", Kind::Text).also(&["job_kind"]),
    Column::new("start_time", "e.created_at", Kind::Time).also(&["creation_time"]),
    Column::new("update_time", "e.updated_at", Kind::Time),
];

pub(crate) fn register(routes: &mut Routes) {
    let system = |action| Access::System(permission(Resource::PurgeAudit, action));
    let about = |id, summary| Description::new(id, "purge", summary);
    let description = about("getPurgeHistory", "List the purges of the audit log");
    routes
        .add(&Method::GET, PATH, system(Action::List), history, description)
        .listed()
        .answers_list::<ExecHistory>();
    let description = about("getPurgeJob", "Find a purge");
    routes.add(&Method::GET, ONE, system(Action::Read), get, description).answers::<ExecHistory>();
    let description = about("stopPurge", "Stop a purge");
    routes.add(&Method::PUT, ONE, system(Action::Stop), stop, description);
    let description = about("getPurgeJobLog", "Read what a purge did");
    routes.add(&Method::GET, LOG, system(Action::Read), log, description).answers_text();
    let description = about("getPurgeSchedule", "Find the schedule of purges");
    routes
        .add(&Method::GET, SCHEDULE, system(Action::Read), get_schedule, description)
        .answers::<ExecHistory>();
    let description = about("createPurgeSchedule", "Purge now, or on a schedule");
    routes
        .add(&Method::POST, SCHEDULE, system(Action::Create), create, description)
        .accepts::<ScheduleReq>()
        .status(201);
    let description = about("updatePurgeSchedule", "Change the schedule of purges");
    routes
        .add(&Method::PUT, SCHEDULE, system(Action::Update), update, description)
        .accepts::<ScheduleReq>();
}

async fn history(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let conditions = filters(&query, &COLUMNS)?.conditions;
    let mut order = sorting(&query, &COLUMNS)?;
    if order.is_empty() {
        order.push(("e.created_at", true));
    }
    order.push(("e.id", true));
    let mut conn = api.db.read().await?;
    let total = execution::count(&mut conn, PURGE_AUDIT_LOG, &conditions).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let found =
        execution::list(&mut conn, PURGE_AUDIT_LOG, &conditions, &order, limit, offset).await?;
    let answers: Vec<ExecHistory> = found.into_iter().map(ExecHistory::from).collect();
    Ok(query.answer(&format!("{BASE}{PATH}"), total, &answers))
}

async fn find(api: &Api, id: &str) -> Result<Execution, Failure> {
    let id = id.parse().map_err(|_| Failure::unprocessable("purge_id must be a whole number"))?;
    let found = execution::find(&mut api.db.read().await?, PURGE_AUDIT_LOG, id).await?;
    found.ok_or_else(|| Failure::not_found(format!("purge {id} not found")))
}

async fn get(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<ExecHistory>, Failure> {
    Ok(Json(find(&api, &id).await?.into()))
}

async fn log(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Failure> {
    let text = find(&api, &id).await?.log;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// One that has ended already stays as it is.
async fn stop(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let found = find(&api, &id).await?;
    let now = api.clock.now();
    let mut tx = api.db.begin().await?;
    let line = format!("stopped by {}", caller.actor().name);
    if execution::stop(&mut tx, found.id, &line, now).await? {
        let resource = format!("execution {}", found.id);
        let event = Event::of("purge", &resource, "stop");
        audit::record(&mut tx, caller.actor(), event, now).await?;
        tx.commit().await?;
    }
    Ok(StatusCode::OK)
}

/// Without a schedule the body is empty.
async fn get_schedule(State(api): State<Api>) -> Result<Response, Failure> {
    let found = schedule::find(&mut api.db.read().await?, PURGE_AUDIT_LOG).await?;
    Ok(found.map_or_else(
        || StatusCode::OK.into_response(),
        |schedule| Json(ExecHistory::from(schedule)).into_response(),
    ))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<ScheduleReq>,
) -> Result<Response, Failure> {
    let made = accept(&api, &caller, request).await?;
    let last = made.map_or_else(|| "schedule".to_owned(), |id| id.to_string());
    Ok((StatusCode::CREATED, [(LOCATION, format!("{BASE}{PATH}/{last}"))]).into_response())
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<ScheduleReq>,
) -> Result<StatusCode, Failure> {
    accept(&api, &caller, request).await?;
    Ok(StatusCode::OK)
}

/// Does what both ways of asking do: returns the execution of a purge that runs at once.
async fn accept(api: &Api, caller: &Caller, request: ScheduleReq) -> Result<Option<i64>, Failure> {
    let now = api.clock.now();
    let wanted = request.read(now)?;
    let mut tx = api.db.begin().await?;
    let (resource, operation, made) = match &wanted {
        Wanted::Now(parameters) => {
            let id = execution::insert(&mut tx, PURGE_AUDIT_LOG, "MANUAL", parameters, now).await?;
            ("purge", "create", Some(id))
        }
        Wanted::Never if schedule::remove(&mut tx, PURGE_AUDIT_LOG).await? => {
            ("purge_schedule", "delete", None)
        }
        Wanted::Never => return Ok(None),
        Wanted::Repeatedly(new) => ("purge_schedule", put(&mut tx, new).await?, None),
    };
    let name = match (made, &wanted) {
        (Some(id), _) => format!("execution {id}"),
        (None, Wanted::Repeatedly(new)) => new.cron.clone(),
        _ => String::new(),
    };
    let event = Event::of(resource, &name, operation).described(wanted.parameters());
    audit::record(&mut tx, caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(made)
}

/// Writes the schedule; says whether that made or changed it.
async fn put(tx: &mut Tx, new: &Schedule) -> Result<&'static str, Failure> {
    let known = schedule::find(tx, PURGE_AUDIT_LOG).await?.is_some();
    schedule::put(tx, new).await?;
    Ok(if known { "update" } else { "create" })
}
