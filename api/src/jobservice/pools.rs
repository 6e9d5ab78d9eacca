//! The servers that do background work, and what they are at.

use axum::Json;
use axum::extract::{Path, State};
use roadstead_model::{JOBS, POOL_LOST_AFTER, Timestamp};
use roadstead_storage::Conn;
use roadstead_storage::tables::execution::queues::{self, Running};
use roadstead_storage::tables::worker_pool::{self, Pool};
use serde::Serialize;
use utoipa::ToSchema;

use super::ALL;
use crate::Api;
use crate::failure::Failure;

/// Harbor's `WorkerPool`.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkerPool {
    pid: i64,
    #[serde(rename = "worker_pool_id")]
    id: String,
    start_at: String,
    heartbeat_at: String,
    /// Each kind of work has a worker in each pool.
    concurrency: usize,
    host: String,
}

/// Harbor's `Worker`. One that has nothing to do has no job.
#[derive(Serialize, ToSchema)]
pub(super) struct Worker {
    id: String,
    pool_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkin_at: Option<String>,
}

impl Worker {
    fn new(pool: &Pool, job: &str, at: Option<&Running>) -> Self {
        Self {
            id: format!("{}-{job}", pool.id),
            pool_id: pool.id.clone(),
            job_name: at.map(|running| running.job.clone()),
            job_id: at.map(|running| running.id.to_string()),
            start_at: at.map(|running| running.begun_at.rfc3339()),
            checkin_at: at.map(|running| running.updated_at.rfc3339()),
        }
    }
}

async fn alive(conn: &mut Conn, now: Timestamp) -> Result<Vec<Pool>, Failure> {
    let lost = i64::try_from(POOL_LOST_AFTER.as_micros()).unwrap_or(i64::MAX);
    Ok(worker_pool::list(conn, Timestamp(now.0.saturating_sub(lost))).await?)
}

pub(super) async fn list(State(api): State<Api>) -> Result<Json<Vec<WorkerPool>>, Failure> {
    let mut conn = api.db.read().await?;
    let pools = alive(&mut conn, api.clock.now()).await?.into_iter().map(|pool| WorkerPool {
        pid: pool.pid,
        id: pool.id,
        start_at: pool.started_at.rfc3339(),
        heartbeat_at: pool.heartbeat_at.rfc3339(),
        concurrency: JOBS.len(),
        host: pool.host,
    });
    Ok(Json(pools.collect()))
}

pub(super) async fn workers(
    State(api): State<Api>,
    Path(wanted): Path<String>,
) -> Result<Json<Vec<Worker>>, Failure> {
    let mut conn = api.db.read().await?;
    let mut pools = alive(&mut conn, api.clock.now()).await?;
    if wanted != ALL {
        pools.retain(|pool| pool.id == wanted);
    }
    let running = queues::running(&mut conn).await?;
    let workers = pools.iter().flat_map(|pool| {
        let running = &running;
        JOBS.iter().map(move |job| {
            let at = running.iter().find(|found| found.pool == pool.id && found.job == *job);
            Worker::new(pool, job, at)
        })
    });
    Ok(Json(workers.collect()))
}
