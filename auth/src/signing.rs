//! The keys that sign registry tokens: Ed25519, made at install, kept sealed in the database, and
//! rotated by command.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{DecodingKey, EncodingKey};
use roadstead_model::{Clock, Timestamp};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::signing_key::{self, SealedKey};
use roadstead_storage::{Changes, Db, Turn, Tx};

use crate::error::{Error, Result};
use crate::sealing::SecretKey;

/// Keys have one purpose each: a registry token is no session.
const PURPOSE: &str = "registry-token";
/// How long a rotation may go unnoticed.
const FRESH: Duration = Duration::from_secs(5);
/// How often a token with an unknown key makes us look again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a key is believed after another has taken its place; far longer than tokens live.
const OVERLAP: i64 = 60 * 60 * 1_000_000;

/// The key that signs, and all keys that are believed.
pub(crate) struct Keys {
    pub(crate) current_id: String,
    pub(crate) current: EncodingKey,
    pub(crate) trusted: HashMap<String, DecodingKey>,
    read_at: Instant,
    /// Which changes were heard of before.
    changes: u64,
}

/// The keys as they are in the database, at most a few seconds old.
pub(crate) struct Keyring {
    db: Db,
    changes: Changes,
    secret: SecretKey,
    keys: RwLock<Arc<Keys>>,
}

impl Keyring {
    /// Loads the keys; makes the first one on a new database.
    pub(crate) async fn load(db: &Db, secret: &SecretKey, clock: &dyn Clock) -> Result<Self> {
        if signing_key::list(&mut db.read().await?, PURPOSE).await?.is_empty() {
            let mut tx = db.begin_turn(Turn::Authority).await?;
            // Another process may have been faster; its keys are as good.
            if signing_key::list(&mut tx, PURPOSE).await?.is_empty() {
                add_key(&mut tx, secret, clock.now()).await?;
            }
            tx.commit().await?;
        }
        let keys = RwLock::new(Arc::new(read(db, secret).await?));
        Ok(Self { db: db.clone(), changes: db.changes(), secret: secret.clone(), keys })
    }

    fn cached(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reload(&self) -> Result<Arc<Keys>> {
        let keys = Arc::new(read(&self.db, &self.secret).await?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.clone();
        Ok(keys)
    }

    /// The keys, to sign with.
    pub(crate) async fn current(&self) -> Result<Arc<Keys>> {
        self.db.expect_none_held();
        let cached = self.cached();
        let fresh = cached.read_at.elapsed() < FRESH && cached.changes == self.changes.count();
        if fresh { Ok(cached) } else { self.reload().await }
    }

    /// The keys, to verify a token that names the key `id`.
    pub(crate) async fn knowing(&self, id: Option<&str>) -> Result<Arc<Keys>> {
        let current = self.current().await?;
        let unknown = id.is_some_and(|id| !current.trusted.contains_key(id));
        if unknown && current.read_at.elapsed() >= LOOK_AGAIN {
            return self.reload().await;
        }
        Ok(current)
    }
}

async fn read(db: &Db, secret: &SecretKey) -> Result<Keys> {
    let (read_at, changes) = (Instant::now(), db.changes().count());
    let mut trusted = HashMap::new();
    let mut current = None;
    for key in signing_key::list(&mut db.read().await?, PURPOSE).await? {
        let private = secret.open(&key.sealed, &context(&key.id))?;
        let pair = Ed25519KeyPair::from_pkcs8(&private).map_err(|_| Error::Crypto("bad key"))?;
        let public = BASE64.encode(pair.public_key().as_ref());
        let decoding = DecodingKey::from_ed_components(&public)
            .map_err(|_| Error::Crypto("bad public key"))?;
        trusted.insert(key.id.clone(), decoding);
        // The newest comes first.
        current.get_or_insert((key.id, EncodingKey::from_ed_der(&private)));
    }
    let (current_id, current) = current.ok_or(Error::Crypto("no signing key"))?;
    Ok(Keys { current_id, current, trusted, read_at, changes })
}

/// What binds a sealed key to its row.
fn context(id: &str) -> String {
    format!("signing_key:{id}")
}

async fn add_key(tx: &mut Tx, secret: &SecretKey, now: Timestamp) -> Result<String> {
    let pair = Ed25519KeyPair::generate().map_err(|_| Error::Crypto("no key"))?;
    let private = pair.to_pkcs8().map_err(|_| Error::Crypto("no key"))?;
    let id = BASE64.encode(digest::digest(&digest::SHA256, pair.public_key().as_ref()));
    let sealed = secret.seal(private.as_ref(), &context(&id))?;
    let key = SealedKey { id: id.clone(), sealed, created_at: now };
    signing_key::insert(tx, PURPOSE, &key).await?;
    Ok(id)
}

/// Makes a new key to sign with. Servers that run notice within seconds; tokens that the former
/// key signed work until they end, and keys that signed none for an hour are removed. Returns the
/// new key's id and how many were removed.
///
/// # Errors
/// [`Error::WrongSecretKey`] when `secret` does not open the keys that are there.
pub async fn rotate(db: &Db, secret: &SecretKey, clock: &dyn Clock) -> Result<(String, usize)> {
    let now = clock.now();
    let mut tx = db.begin_turn(Turn::Authority).await?;
    let before = signing_key::list(&mut tx, PURPOSE).await?;
    for key in &before {
        secret.open(&key.sealed, &context(&key.id))?;
    }
    let id = add_key(&mut tx, secret, now).await?;
    let mut removed = 0;
    for (successor, key) in before.iter().zip(before.iter().skip(1)) {
        if successor.created_at.0 + OVERLAP < now.0 {
            signing_key::remove(&mut tx, &key.id).await?;
            removed += 1;
        }
    }
    record(&mut tx, "signing keys rotated", now).await?;
    tx.announce().await?;
    tx.commit().await?;
    Ok((id, removed))
}

/// Seals every signing key again with the first of the secret keys.
pub(crate) async fn reseal(tx: &mut Tx, secret: &SecretKey) -> Result<usize> {
    let keys = signing_key::list(tx, PURPOSE).await?;
    for key in &keys {
        let context = context(&key.id);
        let sealed = secret.seal(&secret.open(&key.sealed, &context)?, &context)?;
        signing_key::reseal(tx, &key.id, &sealed).await?;
    }
    Ok(keys.len())
}

pub(crate) async fn record(tx: &mut Tx, what: &str, now: Timestamp) -> Result<()> {
    let origin = roadstead_model::Origin::default();
    let actor = Actor { principal: None, name: "system", origin: &origin };
    let event = Event::of("configuration", "keys", "update").described(what);
    Ok(audit::record(tx, actor, event, now).await?)
}
