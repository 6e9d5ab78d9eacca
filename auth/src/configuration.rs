//! Settings that administrators change while the server runs: Harbor's user-scope configuration
//! keys, kept as rows. Passwords among them are sealed and never given back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use roadstead_storage::tables::setting;
use roadstead_storage::{Changes, Conn, Db, Tx};

use crate::error::{Error, Result};
use crate::sealing::SecretKey;

mod change;
mod endpoint;
mod json;
mod keys;
mod rules;

pub use endpoint::{Endpoint, EndpointError};
pub use json::{WrongType, from_json};
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

/// What was read, and how often it was forgotten.
#[derive(Default)]
struct Cache {
    forgotten: u64,
    found: Option<Found>,
}

/// What was read, when, and which changes were heard of before.
struct Found {
    read_at: Instant,
    changes: u64,
    configuration: Arc<Configuration>,
}

/// Reads and writes the configuration.
pub(crate) struct Store {
    db: Db,
    changes: Changes,
    secret: SecretKey,
    cached: RwLock<Cache>,
    /// It was given at the start.
    fixed: AtomicBool,
}

impl Store {
    pub(crate) fn new(db: Db, secret: SecretKey) -> Self {
        let changes = db.changes();
        Self { db, changes, secret, cached: RwLock::default(), fixed: AtomicBool::new(false) }
    }

    /// Whether nobody may change it.
    fn is_fixed(&self) -> bool {
        self.fixed.load(Ordering::Relaxed)
    }

    /// Lets nobody change it any more.
    fn fix(&self) {
        self.fixed.store(true, Ordering::Relaxed);
    }

    /// The configuration, at most two seconds old.
    pub(crate) async fn current(&self) -> Result<Arc<Configuration>> {
        self.db.expect_none_held();
        let (read_at, changes) = (Instant::now(), self.changes.count());
        let forgotten = {
            let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
            match &cached.found {
                Some(found) if found.read_at.elapsed() < FRESH && found.changes == changes => {
                    return Ok(found.configuration.clone());
                }
                _ => cached.forgotten,
            }
        };
        let found = Arc::new(self.load(&mut self.db.read().await?).await?);
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // What was read before a change is not kept after it.
        if cached.forgotten == forgotten {
            cached.found = Some(Found { read_at, changes, configuration: found.clone() });
        }
        Ok(found)
    }

    /// The configuration as the database has it.
    async fn load(&self, conn: &mut Conn) -> Result<Configuration> {
        let mut found = Configuration::default();
        for (name, value) in setting::with_prefix(conn, PREFIX).await? {
            if let Some(key) = Key::find(&name).filter(|key| !key.is_secret()) {
                found.0.insert(key.name, value);
            }
        }
        Ok(found)
    }

    /// Forgets what was read, so that a change is seen at once.
    fn refresh(&self) {
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        cached.forgotten += 1;
        cached.found = None;
    }

    /// Writes a value that was checked.
    async fn write(&self, tx: &mut Tx, key: &Key, value: &str) -> Result<()> {
        let name = format!("{PREFIX}{}", key.name);
        if !key.is_secret() || value.is_empty() {
            return Ok(setting::set(tx, &name, value).await?);
        }
        let sealed = self.secret.seal(value.as_bytes(), &name)?;
        Ok(setting::set(tx, &name, &BASE64.encode(sealed)).await?)
    }

    /// The value of a password; empty when it is not set.
    pub(crate) async fn password(&self, key: &str) -> Result<String> {
        self.password_on(&mut self.db.read().await?, key).await
    }

    async fn password_on(&self, conn: &mut Conn, key: &str) -> Result<String> {
        let name = format!("{PREFIX}{key}");
        let sealed = setting::get(conn, &name).await?.unwrap_or_default();
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
