//! Refresh tokens: what docker keeps as `identitytoken` instead of the password.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use roadstead_model::Origin;
use roadstead_storage::tables::principal;
use roadstead_storage::tables::refresh_token::{self, RefreshToken};

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::randomness;

/// How long a refresh token works.
const LIFETIME: Duration = Duration::from_hours(30 * 24);

impl Auth {
    /// Issues a refresh token; only its hash is kept. None for anonymous callers.
    pub(crate) async fn issue_refresh_token(
        &self,
        caller: &Caller,
        client_id: &str,
    ) -> Result<Option<String>> {
        let Some(principal) = &caller.principal else {
            return Ok(None);
        };
        let mut secret = [0; 32];
        randomness::fill(&mut secret)?;
        let token = BASE64.encode(secret);
        let now = self.clock.now();
        let new = RefreshToken {
            hash: hash(&token),
            principal: principal.id,
            epoch: principal.epoch,
            personal_token: caller.personal_token(),
            secret: caller.secret,
            client_id: client_id.chars().take(64).collect(),
            created_at: now,
            expires_at: now.after(LIFETIME),
        };
        let mut tx = self.db.begin().await?;
        refresh_token::insert(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(Some(token))
    }

    /// Whose refresh token this is. Everything that it was got with must still work.
    ///
    /// # Errors
    /// [`Error::InvalidToken`].
    pub(crate) async fn refresh_caller(&self, token: &str, origin: Origin) -> Result<Caller> {
        let now = self.clock.now();
        let found = refresh_token::find(&mut self.db.read().await?, &hash(token), now).await?;
        let found = found.ok_or(Error::InvalidToken)?;
        self.require_provider(found.principal).await?;
        let principal = self.current_principal(found.principal, found.epoch).await?;
        let principal = principal.ok_or(Error::InvalidToken)?;
        let principal = self.looked_up_again(principal, &origin, Duration::ZERO).await?;
        let principal = principal.ok_or(Error::InvalidToken)?;
        let prefix = self.configuration().await?.robot_prefix().to_owned();
        let mut caller = Caller::principal(principal, &prefix, origin);
        if let Some(id) = found.personal_token {
            let via = principal::find(&mut self.db.read().await?, id).await?;
            caller = caller.through(via.filter(|via| via.works(now)).ok_or(Error::InvalidToken)?);
        }
        if let Some(secret) = found.secret {
            caller = caller.proven_by(&self.require_secret(secret).await?);
        }
        Ok(caller)
    }
}

/// The token has 256 random bits, so a plain hash is enough.
fn hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec()
}
