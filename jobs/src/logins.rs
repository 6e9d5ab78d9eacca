//! Logins that have expired: refresh tokens, sessions of browsers, people who never chose a name.

use roadstead_storage::Result;
use roadstead_storage::tables::{oidc_newcomer, refresh_token, session};

use crate::Worker;

impl Worker {
    pub(crate) async fn forget_logins(&self) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let now = self.clock.now();
        refresh_token::remove_expired(&mut tx, now).await?;
        session::remove_expired(&mut tx, now).await?;
        oidc_newcomer::remove_expired(&mut tx, now).await?;
        tx.commit().await
    }
}
