//! The content: push, pull, mount, delete, referrers; and, in [`http`], the protocol that carries
//! them (the OCI distribution specification).
//!
//! One file per verb. The functions that change something take a
//! [`Grant`](roadstead_auth::Grant), and begin and commit the transaction themselves.

mod audit;
mod delete;
mod error;
pub mod fsck;
pub mod http;
mod limits;
mod list;
mod manifest;
mod mount;
mod project;
mod pull;
mod push;
mod referrers;
mod repository;
mod sessions;
mod upload;

use std::sync::Arc;

use roadstead_model::Clock;
use roadstead_storage::tables::setting;
use roadstead_storage::{Blobs, Db};

pub use error::{Error, Result};
pub use limits::Limits;

/// The registry: the database, the blobs, and what bounds them.
#[derive(Clone)]
pub struct Registry {
    db: Db,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    limits: Arc<Limits>,
    sessions: sessions::Sessions,
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
        let sessions = sessions::Sessions::default();
        Ok(Self { db, blobs, clock, limits: Arc::new(limits), sessions, db_epoch })
    }

    /// What bounds it.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
