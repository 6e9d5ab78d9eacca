//! The secrets of webhooks: what a target is sent as `Authorization`, and what payloads for it are
//! signed with.

use roadstead_storage::Tx;
use roadstead_storage::tables::webhook_target::{self, Target};

use crate::authenticate::Auth;
use crate::error::{Error, Result};
use crate::sealing::SecretKey;

/// The secrets of a target, in clear.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// What is sent as `Authorization`.
    pub auth_header: Option<String>,
    /// What payloads are signed with.
    pub secret: Option<String>,
}

/// What seals and opens the secrets of targets.
#[derive(Clone)]
pub struct Sealer(SecretKey);

impl Auth {
    /// What seals and opens the secrets of webhooks.
    pub fn webhooks(&self) -> Sealer {
        Sealer::new(self.secret.clone())
    }
}

impl Sealer {
    /// Seals with this key.
    pub const fn new(key: SecretKey) -> Self {
        Self(key)
    }

    /// Seals the secrets of the target with this id, and writes them.
    pub async fn put(&self, tx: &mut Tx, id: i64, secrets: &Secrets) -> Result<()> {
        let seal = |text: &Option<String>, what: &str| {
            let filled = text.as_ref().filter(|text| !text.is_empty());
            filled.map(|text| self.0.seal(text.as_bytes(), &context(id, what))).transpose()
        };
        let auth_header = seal(&secrets.auth_header, AUTH_HEADER)?;
        let secret = seal(&secrets.secret, SECRET)?;
        Ok(webhook_target::seal(tx, id, auth_header, secret).await?)
    }

    /// Opens the secrets of a target.
    ///
    /// # Errors
    /// [`Error::WrongSecretKey`] when they were sealed with another key, or for another target.
    pub fn open(&self, target: &Target) -> Result<Secrets> {
        let open = |sealed: &Option<Vec<u8>>, what: &str| {
            let open = |sealed: &Vec<u8>| {
                let opened = self.0.open(sealed, &context(target.id, what))?;
                String::from_utf8(opened).map_err(|_| Error::WrongSecretKey)
            };
            sealed.as_ref().map(open).transpose()
        };
        let auth_header = open(&target.auth_header, AUTH_HEADER)?;
        Ok(Secrets { auth_header, secret: open(&target.secret, SECRET)? })
    }
}

const AUTH_HEADER: &str = "auth_header";
const SECRET: &str = "secret";

fn context(id: i64, what: &str) -> String {
    format!("webhook_target:{id}:{what}")
}

/// Seals them all again with the first of the secret keys.
pub(crate) async fn reseal(tx: &mut Tx, key: &SecretKey) -> Result<usize> {
    let sealer = Sealer::new(key.clone());
    let targets = webhook_target::sealed(tx).await?;
    for target in &targets {
        let secrets = sealer.open(target)?;
        sealer.put(tx, target.id, &secrets).await?;
    }
    Ok(targets.len())
}
