//! Upload sessions that nobody finished.

use roadstead_storage::Result;
use roadstead_storage::tables::{tombstone, upload};

use crate::{BATCH, Worker};

impl Worker {
    /// Closes sessions that have expired and gives their keys up for deletion; returns how many.
    pub(crate) async fn close_expired_sessions(&self) -> Result<usize> {
        let mut closed = 0;
        loop {
            let now = self.clock.now();
            let mut tx = self.db.begin().await?;
            let keys = upload::remove_expired(&mut tx, now, BATCH).await?;
            for key in &keys {
                tombstone::insert(&mut tx, key, now.after(self.grace), &self.db_epoch).await?;
            }
            tx.commit().await?;
            if keys.is_empty() {
                return Ok(closed);
            }
            closed += keys.len();
        }
    }
}
