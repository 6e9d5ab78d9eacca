//! Refresh tokens that have expired.

use roadstead_storage::Result;
use roadstead_storage::tables::refresh_token;

use crate::Worker;

impl Worker {
    pub(crate) async fn forget_refresh_tokens(&self) -> Result<()> {
        let mut tx = self.db.begin().await?;
        refresh_token::remove_expired(&mut tx, self.clock.now()).await?;
        tx.commit().await
    }
}
