//! Refresh tokens: what docker keeps as `identitytoken` instead of the password.

use std::time::Duration;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use roadstead_storage::tables::principal::Principal;
use roadstead_storage::tables::refresh_token;

use crate::authenticate::Auth;
use crate::error::{Error, Result};

/// How long a refresh token works.
const LIFETIME: Duration = Duration::from_hours(30 * 24);

impl Auth {
    /// Issues a refresh token; only its hash is kept.
    pub(crate) async fn issue_refresh_token(
        &self,
        principal: &Principal,
        client_id: &str,
    ) -> Result<String> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| Error::Crypto("no randomness"))?;
        let token = BASE64.encode(secret);
        let now = self.clock.now();
        let expires_at = now.after(LIFETIME);
        let (hash, client_id) = (hash(&token), client_id.chars().take(64).collect::<String>());
        let (id, epoch) = (principal.id, principal.epoch);
        let mut tx = self.db.begin().await?;
        refresh_token::insert(&mut tx, &hash, id, epoch, &client_id, now, expires_at).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Whose refresh token this is.
    ///
    /// # Errors
    /// [`Error::InvalidToken`].
    pub(crate) async fn redeem_refresh_token(&self, token: &str) -> Result<Principal> {
        let hash = hash(token);
        let found =
            refresh_token::find(&mut self.db.read().await?, &hash, self.clock.now()).await?;
        let (id, epoch) = found.ok_or(Error::InvalidToken)?;
        self.current_principal(id, epoch).await?.ok_or(Error::InvalidToken)
    }
}

/// The token has 256 random bits, so a plain hash is enough.
fn hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec()
}
