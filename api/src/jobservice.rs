//! Background work in the words that Harbor has for its job service: pools of workers are servers,
//! jobs are executions, and each kind of work is a queue.

mod pools;
mod queues;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, JOBS, Resource, SCHEDULER};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::execution::{self, Execution, queues as executions};
use roadstead_storage::tables::paused_job;
use roadstead_storage::tables::schedule::{self, Schedule};
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

use pools::{Worker, WorkerPool};
use queues::{ActionRequest, JobQueue};

/// What stands for every one of them.
const ALL: &str = "all";

/// What Harbor says a schedule of the system belongs to.
const OF_SYSTEM: i64 = -1;

const fn access(action: Action) -> Access {
    Access::System(permission(Resource::JobserviceMonitor, action))
}

pub(crate) fn register(routes: &mut Routes) {
    let about = |id, summary| Description::new(id, "jobservice", summary);
    let (list, stop) = (access(Action::List), access(Action::Stop));
    let description = about("getWorkerPools", "List the servers that do background work");
    routes
        .add(&Method::GET, "/jobservice/pools", list, pools::list, description)
        .answers_list::<WorkerPool>();
    let description = about("getWorkers", "List what does background work on a server, or on all");
    let path = "/jobservice/pools/{pool_id}/workers";
    routes.add(&Method::GET, path, list, pools::workers, description).answers_list::<Worker>();
    let description = about("stopRunningJob", "Stop an execution, or all that run");
    routes.add(&Method::PUT, "/jobservice/jobs/{job_id}", stop, stop_job, description);
    let description = about("actionGetJobLog", "Read what an execution did");
    routes
        .add(&Method::GET, "/jobservice/jobs/{job_id}/log", list, log, description)
        .answers_text();
    let description = about("listJobQueues", "List the kinds of work, and what waits");
    routes
        .add(&Method::GET, "/jobservice/queues", list, queues::list, description)
        .answers_list::<JobQueue>();
    let description =
        about("actionPendingJobs", "Stop what waits, or pause or resume a kind of work");
    routes
        .add(&Method::PUT, "/jobservice/queues/{job_type}", stop, queues::act, description)
        .accepts::<ActionRequest>();
    let about = |id, summary| Description::new(id, "schedule", summary);
    let description = about("listSchedules", "List the schedules");
    routes
        .add(&Method::GET, "/schedules", list, schedules, description)
        .paged()
        .answers_list::<ScheduleTask>();
    let description = about("getSchedulePaused", "Ask whether the schedules are paused");
    routes
        .add(&Method::GET, "/schedules/{job_type}/paused", Access::Login, paused, description)
        .answers::<SchedulerStatus>();
}

/// Harbor's `ScheduleTask`.
#[derive(Serialize, ToSchema)]
struct ScheduleTask {
    id: i64,
    vendor_type: String,
    vendor_id: i64,
    cron: String,
    update_time: String,
}

/// Harbor's `SchedulerStatus`.
#[derive(Serialize, ToSchema)]
struct SchedulerStatus {
    paused: bool,
}

/// A number for a schedule, which is known by its kind of work and what that is for: no two have
/// the same, and nothing is asked for by it.
fn number(found: &Schedule) -> i64 {
    let kind = JOBS.iter().position(|job| *job == found.job).unwrap_or(JOBS.len());
    let kind = i64::try_from(kind).unwrap_or_default() + 1;
    found.vendor.saturating_mul(1 << 8).saturating_add(kind)
}

async fn schedules(
    State(api): State<Api>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut conn = api.db.read().await?;
    let total = schedule::count(&mut conn).await?;
    let found = schedule::list(&mut conn, query.limit(), query.offset()).await?;
    let answers: Vec<ScheduleTask> = found
        .into_iter()
        .map(|found| ScheduleTask {
            id: number(&found),
            vendor_type: found.job,
            vendor_id: if found.vendor == 0 { OF_SYSTEM } else { found.vendor },
            cron: found.cron,
            update_time: found.updated_at.rfc3339(),
        })
        .collect();
    Ok(query.answer(&format!("{BASE}/schedules"), total, &answers))
}

async fn paused(
    State(api): State<Api>,
    Path(job): Path<String>,
) -> Result<axum::Json<SchedulerStatus>, Failure> {
    if job != ALL {
        return Err(Failure::bad_request("job_type can only be 'all'"));
    }
    let paused = paused_job::is_paused(&mut api.db.read().await?, SCHEDULER).await?;
    Ok(axum::Json(SchedulerStatus { paused }))
}

async fn find(api: &Api, id: &str) -> Result<Execution, Failure> {
    let missing = || Failure::not_found(format!("job {id} not found"));
    let number = id.parse().map_err(|_| missing())?;
    executions::find(&mut api.db.read().await?, number).await?.ok_or_else(missing)
}

async fn log(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Failure> {
    let text = find(&api, &id).await?.log;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// What has ended already stays as it is, and what is not there cannot go on: as in Harbor, that is
/// no error.
async fn stop_job(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let (wanted, name) = if id == ALL {
        let running = executions::running(&mut api.db.read().await?).await?;
        (running.into_iter().map(|found| found.id).collect(), ALL.to_owned())
    } else {
        let wanted: Vec<i64> = id.parse().into_iter().collect();
        (wanted, format!("execution {id}"))
    };
    let now = api.clock.now();
    let line = format!("stopped by {}", caller.actor().name);
    let mut tx = api.db.begin().await?;
    let mut stopped = 0_u32;
    for id in wanted {
        stopped += u32::from(execution::stop(&mut tx, id, &line, now).await?);
    }
    if stopped > 0 {
        let text = format!("{stopped} stopped");
        let event = Event::of("job", &name, "stop").described(&text);
        audit::record(&mut tx, caller.actor(), event, now).await?;
        tx.commit().await?;
    }
    Ok(StatusCode::OK)
}
