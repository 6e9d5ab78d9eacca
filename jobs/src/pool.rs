//! That this process does background work, as others can see.

use std::time::Duration;

use roadstead_model::{POOL_LOST_AFTER, Timestamp};
use roadstead_storage::Result;
use roadstead_storage::tables::worker_pool::{self, Pool};
use tokio_util::sync::CancellationToken;

use crate::Worker;
use crate::executions::micros;

/// How often a pool tells that it is there.
const BEAT: Duration = Duration::from_secs(30);
/// How long a pool that ends may take to say so.
const PARTING: Duration = Duration::from_secs(2);

/// What is known of this process.
pub(crate) fn this_process(now: Timestamp) -> Pool {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let pid = i64::from(std::process::id());
    Pool {
        id: format!("{host}-{pid}-{}", now.seconds()),
        host,
        pid,
        started_at: now,
        heartbeat_at: now,
    }
}

impl Worker {
    /// Tells that this process works, until it is told to stop.
    pub(crate) async fn keep_beating(&self, stop: &CancellationToken) {
        loop {
            if let Err(error) = self.beat().await {
                tracing::warn!(%error, "that this server works could not be noted");
            }
            if stop.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_none() {
                break;
            }
        }
        // Whoever stops does not wait for a database that is away; others find the pool silent.
        if let Ok(Err(error)) = tokio::time::timeout(PARTING, self.leave()).await {
            tracing::debug!(%error, "that this server stops could not be noted");
        }
    }

    async fn beat(&self) -> Result<()> {
        let now = self.clock.now();
        let silent = Timestamp(now.0.saturating_sub(micros(POOL_LOST_AFTER)));
        let mut tx = self.db.begin().await?;
        worker_pool::forget_silent(&mut tx, silent).await?;
        worker_pool::beat(&mut tx, &Pool { heartbeat_at: now, ..self.pool.clone() }).await?;
        tx.commit().await
    }

    async fn leave(&self) -> Result<()> {
        let mut tx = self.db.begin().await?;
        worker_pool::forget(&mut tx, &self.pool.id).await?;
        tx.commit().await
    }
}
