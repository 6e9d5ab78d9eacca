//! `roadstead keys`, and the file that holds the secret key.

use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use roadstead_auth::{SecretKey, keys};
use roadstead_model::SystemClock;
use roadstead_storage::Db;

use crate::config::Config;

/// Where a generated secret key is, in the data directory.
pub(crate) const SECRET_KEY_FILE: &str = "secret-key";

/// The configured key, or the one that was generated before.
pub(crate) fn secret_key(config: &Config) -> anyhow::Result<Option<SecretKey>> {
    if !config.secret_key.is_empty() {
        return Ok(Some(SecretKey::from_base64(&config.secret_key)?));
    }
    let path = config.data_dir.join(SECRET_KEY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            Ok(Some(SecretKey::from_base64(&text).with_context(|| path.display().to_string())?))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The text of the configured key, or of the file of the one that was generated.
pub(crate) fn secret_key_text(config: &Config) -> anyhow::Result<Option<String>> {
    if !config.secret_key.is_empty() {
        return Ok(Some(config.secret_key.clone()));
    }
    let path = config.data_dir.join(SECRET_KEY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

async fn open(config: &Config) -> anyhow::Result<(Db, SecretKey)> {
    let Some(secret) = secret_key(config)? else {
        bail!(
            "there is no secret key: set ROADSTEAD_SECRET_KEY, or ROADSTEAD_DATA_DIR to the \
             server's data directory"
        );
    };
    let db = Db::inspect(&config.database).await.context("cannot read the database")?;
    Ok((db, secret))
}

/// Makes a new key to sign tokens with, whether a server is running or not.
pub(crate) async fn rotate(config: &Config) -> anyhow::Result<ExitCode> {
    let (db, secret) = open(config).await?;
    let (id, removed) = keys::rotate(&db, &secret, &SystemClock).await?;
    println!("new signing key {id}; {removed} old ones removed");
    println!("Tokens that were issued before work until they end.");
    Ok(ExitCode::SUCCESS)
}

/// Seals the database's secrets again with the first of the secret keys.
pub(crate) async fn reseal(config: &Config) -> anyhow::Result<ExitCode> {
    let (db, secret) = open(config).await?;
    let rows = keys::reseal(&db, &secret, &SystemClock).await?;
    println!("{rows} secrets are sealed with the first secret key now; the others can go");
    Ok(ExitCode::SUCCESS)
}
