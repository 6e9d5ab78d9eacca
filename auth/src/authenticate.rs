//! From the `Authorization` header to a caller.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use roadstead_model::{Clock, Origin, PrincipalId};
use roadstead_storage::Db;
use roadstead_storage::tables::principal::{self, Principal};

use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::passwords::Passwords;
use crate::sealing::SecretKey;
use crate::signing::Keyring;

/// Authentication: the database, the keys, and the passwords being verified.
#[derive(Clone)]
pub struct Auth {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) keys: Arc<Keyring>,
}

/// What a client sent to prove who it is.
enum Credentials {
    Basic { name: String, password: String },
    Bearer(String),
}

impl Auth {
    /// Loads the keys, or makes them on a new database.
    ///
    /// # Errors
    /// [`Error::WrongSecretKey`] when `secret` is not the one that sealed them.
    pub async fn new(db: Db, secret: &SecretKey, clock: Arc<dyn Clock>) -> Result<Self> {
        let keys = Arc::new(Keyring::load(&db, secret, &*clock).await?);
        Ok(Self { db, clock, passwords: Passwords::new()?, keys })
    }

    /// The caller of a request on /v2, with Basic credentials or a registry token.
    ///
    /// # Errors
    /// [`Error::BadCredentials`], [`Error::InvalidToken`], [`Error::TooManyLogins`], or trouble
    /// with the database.
    pub async fn registry_caller(&self, headers: &HeaderMap, origin: Origin) -> Result<Caller> {
        match credentials(headers)? {
            None => Ok(Caller::anonymous(origin)),
            Some(Credentials::Basic { name, password }) => {
                self.password_caller(&name, &password, origin).await
            }
            Some(Credentials::Bearer(token)) => self.token_caller(&token, origin).await,
        }
    }

    /// The caller of a request on the API or the token service: Basic credentials, or none.
    /// Registry tokens mean nothing there.
    ///
    /// # Errors
    /// As for [`Self::registry_caller`].
    pub async fn api_caller(&self, headers: &HeaderMap, origin: Origin) -> Result<Caller> {
        match credentials(headers)? {
            None => Ok(Caller::anonymous(origin)),
            Some(Credentials::Basic { name, password }) => {
                self.password_caller(&name, &password, origin).await
            }
            Some(Credentials::Bearer(_)) => Err(Error::InvalidToken),
        }
    }

    /// Verifies a name and a password.
    pub(crate) async fn password_caller(
        &self,
        name: &str,
        password: &str,
        origin: Origin,
    ) -> Result<Caller> {
        let account = principal::find_user(&mut self.db.read().await?, name).await?;
        self.passwords.verify(account.as_ref(), password).await?;
        let principal = account.map(|account| account.principal).filter(|p| !p.disabled);
        let principal = principal.ok_or(Error::BadCredentials)?;
        Ok(Caller { principal: Some(principal), token: None, origin })
    }

    async fn token_caller(&self, token: &str, origin: Origin) -> Result<Caller> {
        let claims = self.keys.verify(token, self.clock.now())?;
        let principal = match claims.principal {
            None => None,
            Some(id) => {
                let current = self.current_principal(id, claims.epoch).await?;
                Some(current.ok_or(Error::InvalidToken)?)
            }
        };
        Ok(Caller { principal, token: Some(claims), origin })
    }

    /// The principal as it is now, unless it was disabled, or its credentials revoked, since
    /// `epoch`.
    pub(crate) async fn current_principal(
        &self,
        id: PrincipalId,
        epoch: i64,
    ) -> Result<Option<Principal>> {
        let principal = principal::find(&mut self.db.read().await?, id).await?;
        Ok(principal.filter(|p| p.epoch == epoch && !p.disabled))
    }
}

fn credentials(headers: &HeaderMap) -> Result<Option<Credentials>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::BadCredentials);
    }
    let value = value.to_str().map_err(|_| Error::BadCredentials)?;
    let (scheme, rest) = value.split_once(' ').ok_or(Error::BadCredentials)?;
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = BASE64.decode(rest.trim()).map_err(|_| Error::BadCredentials)?;
        let text = String::from_utf8(decoded).map_err(|_| Error::BadCredentials)?;
        let (name, password) = text.split_once(':').ok_or(Error::BadCredentials)?;
        let (name, password) = (name.to_owned(), password.to_owned());
        Ok(Some(Credentials::Basic { name, password }))
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(Credentials::Bearer(rest.trim().to_owned())))
    } else {
        Err(Error::BadCredentials)
    }
}
