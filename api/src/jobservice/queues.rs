//! What waits to be done, and whether it may begin.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::StatusCode;
use roadstead_auth::Caller;
use roadstead_model::{JOBS, SCHEDULER, Timestamp};
use roadstead_storage::Tx;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::execution::queues;
use roadstead_storage::tables::paused_job;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ALL;
use crate::Api;
use crate::body::Body;
use crate::failure::Failure;

/// Harbor's `JobQueue`.
#[derive(Serialize, ToSchema)]
pub(super) struct JobQueue {
    job_type: &'static str,
    /// How many executions wait; absent when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    /// For how long the first of them does, in seconds; absent when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<i64>,
    paused: bool,
}

/// Harbor's `ActionRequest`.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"action": "resume"}))]
pub(super) struct ActionRequest {
    action: QueueAction,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum QueueAction {
    /// What waits is given up.
    Stop,
    /// What waits stays, and nothing of it begins.
    Pause,
    /// It may begin again.
    Resume,
}

impl QueueAction {
    const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// Harbor's queues whose work is not done here, or not by executions. Nothing ever waits in them.
const EMPTY: &[&str] = &[
    "AUDIT_LOGS_GDPR_COMPLIANT",
    "EXECUTION_SWEEP",
    "IMAGE_SCAN",
    "P2P_PREHEAT",
    "REPLICATION",
    "SCAN_DATA_EXPORT",
    "SLACK",
    "SYSTEM_ARTIFACT_CLEANUP",
    "WEBHOOK",
];

/// What can be paused: each kind of work, and what asks for it on schedules.
fn all() -> impl Iterator<Item = &'static str> {
    JOBS.iter().copied().chain([SCHEDULER])
}

pub(super) async fn list(State(api): State<Api>) -> Result<Json<Vec<JobQueue>>, Failure> {
    let now = api.clock.now();
    let mut conn = api.db.read().await?;
    let waiting = queues::waiting(&mut conn).await?;
    let paused = paused_job::all(&mut conn).await?;
    let queues = all().chain(EMPTY.iter().copied()).map(|job| {
        let found = waiting.iter().find(|queue| queue.job == job);
        JobQueue {
            job_type: job,
            count: found.map(|queue| queue.count),
            latency: found.map(|queue| (now.0 - queue.oldest.0).max(0) / 1_000_000),
            paused: paused.iter().any(|name| name == job),
        }
    });
    Ok(Json(queues.collect()))
}

pub(super) async fn act(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(wanted): Path<String>,
    Body(request): Body<ActionRequest>,
) -> Result<StatusCode, Failure> {
    let every = wanted.eq_ignore_ascii_case(ALL);
    let jobs: Vec<&str> = all().filter(|job| every || job.eq_ignore_ascii_case(&wanted)).collect();
    let name = match jobs.as_slice() {
        // Where nothing waits, there is nothing to give up.
        [] if matches!(request.action, QueueAction::Stop) => return Ok(StatusCode::OK),
        [] => return Err(Failure::not_found(format!("there is no job type {wanted}"))),
        [one] => one,
        _ => ALL,
    };
    let now = api.clock.now();
    let line = format!("stopped by {}", caller.actor().name);
    let mut tx = api.db.begin().await?;
    let mut changed = false;
    for job in jobs {
        changed |= apply(&mut tx, request.action, job, &line, now).await?;
    }
    if changed {
        let event = Event::of("job_queue", name, request.action.name());
        audit::record(&mut tx, caller.actor(), event, now).await?;
        tx.commit().await?;
    }
    Ok(StatusCode::OK)
}

/// Says whether that changed anything.
async fn apply(
    tx: &mut Tx,
    action: QueueAction,
    job: &str,
    line: &str,
    now: Timestamp,
) -> Result<bool, Failure> {
    Ok(match action {
        QueueAction::Stop => queues::stop_waiting(tx, job, line, now).await? > 0,
        QueueAction::Pause => paused_job::pause(tx, job, now).await?,
        QueueAction::Resume => paused_job::resume(tx, job).await?,
    })
}
