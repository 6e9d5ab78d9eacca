//! Settings that administrators change while the server runs: Harbor's user-scope configuration
//! keys, kept as rows. Passwords among them are sealed and never given back.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use roadstead_storage::tables::setting;
use roadstead_storage::{Conn, Db, Tx};

use crate::error::{Error, Result};
use crate::sealing::SecretKey;

mod keys;

pub use keys::{KEYS, Key, Kind};

/// What the rows' names begin with.
const PREFIX: &str = "config.";
/// How long another process's change may go unnoticed.
const FRESH: Duration = Duration::from_secs(2);

/// The value of every key at one moment.
#[derive(Clone, Debug, Default)]
pub struct Configuration(BTreeMap<&'static str, String>);

impl Configuration {
    /// The text of a key; empty when there is no such key. Secrets are not here.
    pub fn text(&self, key: &str) -> &str {
        if let Some(value) = self.0.get(key) {
            return value;
        }
        Key::find(key).map_or("", |key| key.default)
    }

    /// The value of a switch.
    pub fn is_on(&self, key: &str) -> bool {
        self.text(key) == "true"
    }

    /// The value of a number; 0 when it is none.
    pub fn number(&self, key: &str) -> i64 {
        self.text(key).parse().unwrap_or_default()
    }

    /// What robots' names begin with.
    pub fn robot_prefix(&self) -> &str {
        self.text("robot_name_prefix")
    }

    /// A text of a new value, put over the present ones; for checks before it is stored.
    pub fn set(&mut self, key: &'static str, value: String) {
        self.0.insert(key, value);
    }
}

/// Reads and writes the configuration.
pub(crate) struct Store {
    db: Db,
    secret: SecretKey,
    cached: RwLock<Option<(Instant, Arc<Configuration>)>>,
}

impl Store {
    pub(crate) fn new(db: Db, secret: SecretKey) -> Self {
        Self { db, secret, cached: RwLock::new(None) }
    }

    /// The configuration, at most two seconds old.
    pub(crate) async fn current(&self) -> Result<Arc<Configuration>> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, found)) = cached.filter(|(read_at, _)| read_at.elapsed() < FRESH) {
            return Ok(found);
        }
        self.read(&mut self.db.read().await?).await
    }

    /// The configuration as it is now; the next reader gets it, too.
    async fn read(&self, conn: &mut Conn) -> Result<Arc<Configuration>> {
        let mut found = Configuration::default();
        for (name, value) in setting::with_prefix(conn, PREFIX).await? {
            if let Some(key) = Key::find(&name).filter(|key| key.kind != Kind::Password) {
                found.0.insert(key.name, value);
            }
        }
        let found = Arc::new(found);
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        *cached = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// Forgets what was read, so that a change is seen at once.
    pub(crate) fn refresh(&self) {
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Writes a value that was checked.
    pub(crate) async fn write(&self, tx: &mut Tx, key: &Key, value: &str) -> Result<()> {
        let name = format!("{PREFIX}{}", key.name);
        if key.kind != Kind::Password || value.is_empty() {
            return Ok(setting::set(tx, &name, value).await?);
        }
        let sealed = self.secret.seal(value.as_bytes(), &name)?;
        Ok(setting::set(tx, &name, &BASE64.encode(sealed)).await?)
    }

    /// The value of a password; empty when it is not set.
    pub(crate) async fn password(&self, key: &str) -> Result<String> {
        let name = format!("{PREFIX}{key}");
        let sealed = setting::get(&mut self.db.read().await?, &name).await?.unwrap_or_default();
        if sealed.is_empty() {
            return Ok(String::new());
        }
        let sealed = BASE64.decode(sealed).map_err(|_| Error::WrongSecretKey)?;
        let opened = self.secret.open(&sealed, &name)?;
        String::from_utf8(opened).map_err(|_| Error::WrongSecretKey)
    }
}

/// Seals every password again with the first of the secret keys.
pub(crate) async fn reseal(tx: &mut Tx, secret: &SecretKey) -> Result<usize> {
    let mut sealed = 0;
    for key in KEYS.iter().filter(|key| key.kind == Kind::Password) {
        let name = format!("{PREFIX}{}", key.name);
        let before = setting::get(tx, &name).await?.unwrap_or_default();
        if before.is_empty() {
            continue;
        }
        let before = BASE64.decode(before).map_err(|_| Error::WrongSecretKey)?;
        let after = secret.seal(&secret.open(&before, &name)?, &name)?;
        setting::set(tx, &name, &BASE64.encode(after)).await?;
        sealed += 1;
    }
    Ok(sealed)
}
