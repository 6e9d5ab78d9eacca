//! From what a request carries to a caller.

use std::sync::Arc;

use http::HeaderMap;
use roadstead_model::{Clock, Origin, PrincipalId};
use roadstead_storage::Db;
use roadstead_storage::tables::principal::{self, Principal};
use tokio::sync::Semaphore;

mod credentials;
mod person;
mod secret;

use crate::caller::Caller;
use crate::configuration::{Configuration, Store};
use crate::directory::Directories;
use crate::error::{Error, Result};
use crate::grants::Grants;
use crate::oidc_login::Logins;
use crate::passwords::Passwords;
use crate::sealing::SecretKey;
use crate::secrets::TOKEN_PREFIX;
use crate::signing::Keyring;
use crate::throttle::Throttle;
use credentials::{Credentials, credentials};
pub(crate) use person::find_account;

/// Authentication: the database, the keys, the configuration, and the passwords being verified.
#[derive(Clone)]
pub struct Auth {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) secret: SecretKey,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) throttle: Arc<Throttle>,
    /// Turns at the database for those who have not proved anything yet, so that a flood of them
    /// waits for itself and not in front of everybody else.
    pub(crate) lookups: Arc<Semaphore>,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) configuration: Arc<Store>,
    /// The OpenID provider.
    pub(crate) oidc: Arc<Logins>,
    pub(crate) directories: Arc<Directories>,
    /// The address that browsers reach the server at.
    pub(crate) external_url: Arc<str>,
}

/// How many of those who have not proved anything use the database at once.
const LOOKUPS: usize = 2;

impl Auth {
    /// Loads the keys, or makes them on a new database. `external_url` is the address that
    /// browsers reach the server at.
    ///
    /// # Errors
    /// [`Error::WrongSecretKey`] when `secret` is not the one that sealed them.
    pub async fn new(
        db: Db,
        secret: &SecretKey,
        clock: Arc<dyn Clock>,
        external_url: &str,
    ) -> Result<Self> {
        let keys = Arc::new(Keyring::load(&db, secret, &*clock).await?);
        let configuration = Arc::new(Store::new(db.clone(), secret.clone()));
        Ok(Self {
            db,
            clock,
            secret: secret.clone(),
            passwords: Passwords::new()?,
            grants: Arc::new(Grants::new()?),
            throttle: Arc::default(),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            keys,
            configuration,
            oidc: Arc::default(),
            directories: Arc::default(),
            external_url: external_url.into(),
        })
    }

    /// What administrators have set, at most two seconds old.
    pub async fn configuration(&self) -> Result<Arc<Configuration>> {
        self.configuration.current().await
    }

    /// The caller of a request on /v2, with Basic credentials or a registry token.
    ///
    /// # Errors
    /// [`Error::BadCredentials`], [`Error::InvalidToken`], [`Error::TooManyLogins`],
    /// [`Error::TooManyAttempts`], or trouble with the database.
    pub async fn registry_caller(&self, headers: &HeaderMap, origin: Origin) -> Result<Caller> {
        match credentials(headers)? {
            None => Ok(Caller::anonymous(origin)),
            Some(Credentials::Basic { name, password }) => {
                self.password_caller(&name, &password, origin).await
            }
            Some(Credentials::Bearer(token)) => self.token_caller(&token, origin).await,
        }
    }

    /// The caller of a request on the API or the token service: Basic credentials, the OpenID
    /// provider's `id_token`, a browser's session, or none. Registry tokens mean nothing there.
    ///
    /// # Errors
    /// As for [`Self::registry_caller`].
    pub async fn api_caller(&self, headers: &HeaderMap, origin: Origin) -> Result<Caller> {
        match credentials(headers)? {
            None => self.session_caller(headers, origin).await,
            Some(Credentials::Basic { name, password }) => {
                self.password_caller(&name, &password, origin).await
            }
            Some(Credentials::Bearer(token)) => self.id_token_caller(&token, origin).await,
        }
    }

    /// Verifies a name and a password, a robot's secret, or a person's token. What a name begins
    /// with says which; one that fails is not tried as another.
    pub(crate) async fn password_caller(
        &self,
        name: &str,
        password: &str,
        origin: Origin,
    ) -> Result<Caller> {
        let configuration = self.configuration().await?;
        let prefix = configuration.robot_prefix();
        if let Some(robot) = name.strip_prefix(prefix) {
            return self.robot_caller(prefix, robot, password, origin).await;
        }
        if password.starts_with(TOKEN_PREFIX) {
            return self.personal_token_caller(prefix, name, password, origin).await;
        }
        if let Some(account) = self.oidc_account(&configuration, name).await? {
            return self.cli_secret_caller(prefix, account, password, origin).await;
        }
        let principal = self.person(&configuration, name, password, &origin, false).await?;
        Ok(Caller::principal(principal, prefix, origin))
    }

    /// Everything that a registry token was issued with must still work.
    async fn token_caller(&self, token: &str, origin: Origin) -> Result<Caller> {
        let claims = self.keys.verify(token, self.clock.now()).await?;
        let Some(id) = claims.principal else {
            let mut caller = Caller::anonymous(origin);
            caller.token = Some(Arc::new(claims));
            return Ok(caller);
        };
        let principal = self.current_principal(id, claims.epoch).await?;
        let principal = principal.ok_or(Error::InvalidToken)?;
        let prefix = self.configuration().await?.robot_prefix().to_owned();
        let mut caller = Caller::principal(principal, &prefix, origin);
        if let Some(via) = claims.via {
            let via = self.current_principal(via, claims.via_epoch).await?;
            caller = caller.through(via.ok_or(Error::InvalidToken)?);
        }
        if let Some(secret) = claims.secret {
            caller = caller.proven_by(&self.require_secret(secret).await?);
        }
        caller.token = Some(Arc::new(claims));
        Ok(caller)
    }

    /// The principal as it is now, unless it was disabled, has expired, or its credentials were
    /// revoked since `epoch`.
    pub(crate) async fn current_principal(
        &self,
        id: PrincipalId,
        epoch: i64,
    ) -> Result<Option<Principal>> {
        let principal = principal::find(&mut self.db.read().await?, id).await?;
        Ok(principal.filter(|p| p.epoch == epoch && p.works(self.clock.now())))
    }
}
