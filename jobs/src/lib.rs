//! Background work: closing what has expired and deleting what nothing needs.
//!
//! Every step is a small transaction of its own, safe to run on any number of replicas and to cut
//! off anywhere: what it did not finish is found again by the next round.

mod collection;
mod executions;
mod forward;
mod logins;
mod pool;
mod purge;
mod retention;
mod scrub;
pub mod syslog;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use roadstead_model::Clock;
use roadstead_storage::tables::setting;
use roadstead_storage::tables::worker_pool::Pool;
use roadstead_storage::{Background, Blobs, Db, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use collection::Pace;
pub use collection::{Figures, Policy, Untagged};
pub use scrub::keep_scrubbing;

/// The worker and what it works on.
pub struct Worker {
    db: Db,
    /// How collection and retention write.
    background: Background,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    policy: Policy,
    pace: Pace,
    figures: Arc<Figures>,
    db_epoch: String,
    pool: Pool,
    webhooks: Option<webhooks::Teller>,
}

impl Worker {
    /// A worker over a database that a registry has opened before.
    pub async fn new(db: Db, blobs: Blobs, clock: Arc<dyn Clock>, policy: Policy) -> Result<Self> {
        let db_epoch = setting::get(&mut db.read().await?, "db_epoch").await?.unwrap_or_default();
        let (pace, pool) = (Pace::new(policy.rate), pool::this_process(clock.now()));
        let background = db.background();
        let figures = Arc::new(Figures::new(background.holds()));
        let webhooks = None;
        Ok(Self { db, background, blobs, clock, policy, pace, figures, db_epoch, pool, webhooks })
    }

    /// The same, which tells of what happened as well.
    #[must_use]
    pub fn telling(self, teller: webhooks::Teller) -> Self {
        Self { webhooks: Some(teller), ..self }
    }

    /// What collection did so far in this process, and what it has before it.
    pub fn figures(&self) -> Arc<Figures> {
        self.figures.clone()
    }

    /// Works until it is told to stop: audit events are forwarded, and what is asked for is done,
    /// at most a second later; garbage is collected every `interval`.
    pub async fn run(self, interval: Duration, stop: CancellationToken) {
        let worker = Arc::new(self);
        // Tasks of their own, because a task has one connection to the database at a time.
        let mut tasks = JoinSet::new();
        let (it, until) = (worker.clone(), stop.clone());
        tasks.spawn(async move { it.keep_collecting(interval, &until).await });
        let (it, until) = (worker.clone(), stop.clone());
        tasks.spawn(async move { it.keep_collecting_on_demand(&until).await });
        let (it, until) = (worker.clone(), stop.clone());
        tasks.spawn(async move { Box::pin(it.keep_forwarding(&until)).await });
        let (it, until) = (worker.clone(), stop.clone());
        tasks.spawn(async move { it.keep_purging(&until).await });
        let (it, until) = (worker.clone(), stop.clone());
        tasks.spawn(async move { it.keep_telling(&until).await });
        let (it, until) = (worker.clone(), stop.clone());
        tasks.spawn(async move { Box::pin(it.keep_retaining(&until)).await });
        tasks.spawn(async move { worker.keep_beating(&stop).await });
        while tasks.join_next().await.is_some() {}
    }
}
