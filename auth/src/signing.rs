//! The keys that sign registry tokens: Ed25519, made at install, kept sealed in the database.

use std::collections::HashMap;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{DecodingKey, EncodingKey};
use roadstead_model::{Clock, Timestamp};
use roadstead_storage::Db;
use roadstead_storage::tables::signing_key::{self, SealedKey};

use crate::error::{Error, Result};
use crate::sealing::SecretKey;

/// Keys have one purpose each: a registry token is no session.
const PURPOSE: &str = "registry-token";

/// The key that signs, and all keys that are believed.
pub(crate) struct Keyring {
    pub(crate) current_id: String,
    pub(crate) current: EncodingKey,
    pub(crate) trusted: HashMap<String, DecodingKey>,
}

impl Keyring {
    /// Loads the keys; makes the first one on a new database.
    pub(crate) async fn load(db: &Db, secret: &SecretKey, clock: &dyn Clock) -> Result<Self> {
        let mut stored = signing_key::list(&mut db.read().await?, PURPOSE).await?;
        if stored.is_empty() {
            stored = create_first(db, secret, clock.now()).await?;
        }
        let mut trusted = HashMap::new();
        let mut current = None;
        for key in stored {
            let private = secret.open(&key.sealed, &context(&key.id))?;
            let pair =
                Ed25519KeyPair::from_pkcs8(&private).map_err(|_| Error::Crypto("bad key"))?;
            let public = BASE64.encode(pair.public_key().as_ref());
            let decoding = DecodingKey::from_ed_components(&public)
                .map_err(|_| Error::Crypto("bad public key"))?;
            trusted.insert(key.id.clone(), decoding);
            // The newest comes first.
            current.get_or_insert((key.id, EncodingKey::from_ed_der(&private)));
        }
        let (current_id, current) = current.ok_or(Error::Crypto("no signing key"))?;
        Ok(Self { current_id, current, trusted })
    }
}

fn context(id: &str) -> String {
    format!("signing_key:{id}")
}

async fn create_first(db: &Db, secret: &SecretKey, now: Timestamp) -> Result<Vec<SealedKey>> {
    let pair = Ed25519KeyPair::generate().map_err(|_| Error::Crypto("no key"))?;
    let private = pair.to_pkcs8().map_err(|_| Error::Crypto("no key"))?;
    let id = BASE64.encode(digest::digest(&digest::SHA256, pair.public_key().as_ref()));
    let sealed = secret.seal(private.as_ref(), &context(&id))?;
    let mut tx = db.begin().await?;
    // Another process may have been faster; its keys are as good.
    if signing_key::list(&mut tx, PURPOSE).await?.is_empty() {
        signing_key::insert(&mut tx, PURPOSE, &SealedKey { id, sealed }, now).await?;
    }
    let stored = signing_key::list(&mut tx, PURPOSE).await?;
    tx.commit().await?;
    Ok(stored)
}
