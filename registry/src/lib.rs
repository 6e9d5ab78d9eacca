//! The content: push, pull, mount, delete, referrers; and, in [`http`], the protocol that carries
//! them (the OCI distribution specification).
//!
//! One file per verb. The functions that change something take a
//! [`Grant`](roadstead_auth::Grant), and begin and commit the transaction themselves.

mod addition;
mod artifact;
mod attempts;
mod audit;
mod copy;
mod counts;
mod delete;
mod error;
mod events;
pub mod fsck;
mod history;
pub mod http;
mod limits;
mod list;
mod manifest;
mod memory;
mod mount;
mod project;
mod pull;
mod push;
mod referrers;
pub mod removal;
mod repository;
mod restore;
mod sessions;
mod tagging;
mod upload;
mod writes;

use std::sync::Arc;

use roadstead_model::Clock;
use roadstead_storage::tables::setting;
use roadstead_storage::{Blobs, Db};
use tokio::sync::Semaphore;

pub use addition::Addition;
pub use error::{Error, Result};
pub use limits::{Limits, Redirect};
pub use restore::Restored;

/// The registry: the database, the blobs, and what bounds them.
#[derive(Clone)]
pub struct Registry {
    db: Db,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    limits: Arc<Limits>,
    sessions: sessions::Sessions,
    writes: writes::Writes,
    unlimited: upload::Unlimited,
    counts: counts::Counts,
    memory: memory::Memory,
    additions: Arc<Semaphore>,
    pulls: events::Pulls,
    /// Names the history that this database belongs to; a restored one gets another.
    db_epoch: Arc<str>,
}

impl Registry {
    /// Opens the registry over a database and a store of blobs.
    pub async fn new(db: Db, blobs: Blobs, clock: Arc<dyn Clock>, limits: Limits) -> Result<Self> {
        let mut tx = db.begin().await?;
        let fresh = uuid::Uuid::new_v4().to_string();
        let db_epoch = setting::get_or_set(&mut tx, "db_epoch", &fresh).await?.into();
        tx.commit().await?;
        let (sessions, writes, unlimited, counts, pulls, memory) = Default::default();
        let limits = Arc::new(limits);
        let additions = Arc::new(Semaphore::new(addition::AT_ONCE));
        Ok(Self {
            db,
            blobs,
            clock,
            limits,
            sessions,
            writes,
            unlimited,
            counts,
            memory,
            additions,
            pulls,
            db_epoch,
        })
    }

    /// How long what is deleted can be brought back in projects that say nothing else.
    pub fn undelete_window(&self) -> std::time::Duration {
        self.limits.undelete
    }

    /// Why no blobs are taken at the moment; None while they are.
    pub fn refuses_writes(&self) -> Option<String> {
        self.writes.refused()
    }

    /// What bounds it.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
