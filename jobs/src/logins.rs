//! Logins that have expired: refresh tokens of clients, and sessions of browsers.

use roadstead_storage::Result;
use roadstead_storage::tables::{refresh_token, session};

use crate::Worker;

impl Worker {
    pub(crate) async fn forget_logins(&self) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        refresh_token::remove_expired(&mut tx, now).await?;
        session::remove_expired(&mut tx, now).await?;
        tx.commit().await
    }
}
