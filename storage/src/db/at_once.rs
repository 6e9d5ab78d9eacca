//! Writing in one trip.

use super::held::Held;
use super::{Db, Engine};
use crate::batch::Batch;
use crate::error::Result;

impl Db {
    /// Runs a batch and returns whether it did something, once that is durable. None on PostgreSQL,
    /// where a transaction has to do the same.
    pub(crate) async fn at_once(&self, batch: impl FnOnce() -> Batch) -> Result<Option<bool>> {
        let _held = Held::claim();
        match &self.engine {
            Engine::Postgres { .. } => Ok(None),
            Engine::Sqlite { writer, .. } => Ok(Some(writer.at_once(batch()).await?)),
        }
    }
}
