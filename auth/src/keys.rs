//! Commands on keys: new ones to sign with, and sealing again what the database keeps sealed.

use roadstead_model::Clock;
use roadstead_storage::tables::session;
use roadstead_storage::{Db, Turn};

use crate::error::Result;
use crate::sealing::SecretKey;
use crate::{configuration, oidc_login, sessions, signing, webhooks};

pub use signing::rotate;

/// Seals everything that is sealed in the database again with the first of the secret keys, so
/// that the others can go. Returns how many rows that were.
///
/// # Errors
/// [`Error::WrongSecretKey`](crate::Error::WrongSecretKey) when none of the keys opens a row;
/// nothing is changed then.
pub async fn reseal(db: &Db, secret: &SecretKey, clock: &dyn Clock) -> Result<usize> {
    let mut tx = db.begin_turn(Turn::Authority).await?;
    let mut sealed = signing::reseal(&mut tx, secret).await?;
    sealed += configuration::reseal(&mut tx, secret).await?;
    sealed += oidc_login::reseal(&mut tx, secret).await?;
    sealed += webhooks::reseal(&mut tx, secret).await?;
    for (hash, principal, token) in session::sealed(&mut tx).await? {
        let context = sessions::sealing_context(principal);
        let token = secret.seal(&secret.open(&token, &context)?, &context)?;
        session::reseal(&mut tx, &hash, &token).await?;
        sealed += 1;
    }
    signing::record(&mut tx, "sealed again with another secret key", clock.now()).await?;
    tx.announce().await?;
    tx.commit().await?;
    Ok(sealed)
}
