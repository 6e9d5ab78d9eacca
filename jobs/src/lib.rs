//! Background work: closing what has expired and deleting what nothing needs.
//!
//! Every step is a small transaction of its own, safe to run on any number of replicas and to cut
//! off anywhere: what it did not finish is found again by the next round.

mod forward;
mod logins;
mod objects;
mod purge;
mod sessions;
pub mod syslog;

use std::sync::Arc;
use std::time::Duration;

use roadstead_model::Clock;
use roadstead_storage::tables::setting;
use roadstead_storage::{Blobs, Db, Result};
use tokio_util::sync::CancellationToken;

/// How many rows one transaction of the worker touches.
const BATCH: i64 = 100;

/// The worker and what it works on.
pub struct Worker {
    db: Db,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    /// How long bytes stay after their row is gone.
    grace: Duration,
    db_epoch: String,
}

impl Worker {
    /// A worker over a database that a registry has opened before.
    pub async fn new(db: Db, blobs: Blobs, clock: Arc<dyn Clock>, grace: Duration) -> Result<Self> {
        let db_epoch = setting::get(&mut db.read().await?, "db_epoch").await?.unwrap_or_default();
        Ok(Self { db, blobs, clock, grace, db_epoch })
    }

    /// Works until it is told to stop: audit events are forwarded, and purged where that was asked
    /// for, at most a second later; everything else is done every `interval`.
    pub async fn run(self, interval: Duration, stop: CancellationToken) {
        tokio::join!(
            self.keep_cleaning(interval, &stop),
            self.keep_forwarding(&stop),
            self.keep_purging(&stop),
        );
    }

    async fn keep_cleaning(&self, interval: Duration, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "background work failed; the next round tries again");
            }
        }
    }

    /// Does once what is done every interval.
    pub async fn round(&self) -> Result<()> {
        let closed = self.close_expired_sessions().await?;
        let deleted = self.delete_objects().await?;
        self.forget_logins().await?;
        if closed + deleted > 0 {
            tracing::info!(closed, deleted, "expired uploads closed, objects deleted");
        }
        Ok(())
    }
}
