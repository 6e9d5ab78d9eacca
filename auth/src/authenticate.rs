//! From what a request carries to a caller.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use roadstead_model::{Clock, Origin, PrincipalId};
use roadstead_storage::tables::principal::{self, Kind, Principal};
use roadstead_storage::tables::secret::{self, Secret};
use roadstead_storage::tables::user::{self, Source, UserAccount};
use roadstead_storage::tables::{audit, personal_token};
use roadstead_storage::{Conn, Db};
use tokio::sync::Semaphore;

use crate::caller::Caller;
use crate::configuration::{Configuration, Store};
use crate::directory::{BELIEVED, Directories};
use crate::error::{Error, Result};
use crate::oidc_login::Logins;
use crate::passwords::Passwords;
use crate::sealing::SecretKey;
use crate::secrets::{self, TOKEN_PREFIX};
use crate::signing::Keyring;
use crate::throttle::Throttle;

/// No principal has this id.
const NOBODY: PrincipalId = PrincipalId(0);

/// Authentication: the database, the keys, the configuration, and the passwords being verified.
#[derive(Clone)]
pub struct Auth {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) secret: SecretKey,
    pub(crate) passwords: Arc<Passwords>,
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

/// What a client sent to prove who it is.
enum Credentials {
    Basic { name: String, password: String },
    Bearer(String),
}

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

    /// Verifies a person's name, or mail address, and password. Where a directory knows the
    /// passwords, accounts that have one here use that, and everybody else the directory's; it is
    /// asked even about a password that is remembered when the login is to be `anew`.
    pub(crate) async fn person(
        &self,
        configuration: &Configuration,
        name: &str,
        password: &str,
        origin: &Origin,
        anew: bool,
    ) -> Result<Principal> {
        let turn = self.lookups.acquire().await.map_err(|_| Error::TooManyLogins)?;
        let mut conn = self.db.read().await?;
        let account = if configuration.is_ldap() {
            // Not by mail address: whose it is says the directory, where anybody may have it.
            let account = user::find(&mut conn, name).await?;
            if account.as_ref().is_none_or(|account| account.source == Source::Ldap) {
                drop((conn, turn));
                return self.directory_login(configuration, name, password, origin, anew).await;
            }
            account
        } else {
            find_account(&mut conn, name).await?
        };
        drop((conn, turn));
        let stored = account
            .as_ref()
            .filter(|account| account.source == Source::Db)
            .map(|account| account.password_hash.as_str());
        self.check_password(name, account.as_ref(), stored, password, origin).await?;
        let principal = account.map(|account| account.principal);
        principal.filter(|p| p.works(self.clock.now())).ok_or(Error::BadCredentials)
    }

    /// Verifies a person's password, at most as often as is allowed, and notes a wrong one.
    pub(crate) async fn check_password(
        &self,
        name: &str,
        account: Option<&UserAccount>,
        stored: Option<&str>,
        password: &str,
        origin: &Origin,
    ) -> Result<()> {
        let verified = self.try_password(name, stored, password, origin).await;
        if matches!(verified, Err(Error::BadCredentials)) {
            match account {
                Some(account) => self.record_failed_login(&account.principal, origin).await?,
                None => self.record_login_of_nobody(origin).await?,
            }
        }
        verified
    }

    /// Verifies a password of which a slow hash is stored, at most as often as is allowed.
    async fn try_password(
        &self,
        name: &str,
        stored: Option<&str>,
        password: &str,
        origin: &Origin,
    ) -> Result<()> {
        if self.passwords.is_familiar(stored, password) {
            return self.passwords.verify(stored, password).await;
        }
        let attempt = self.throttle.enter(name, &origin.address)?;
        let verified = self.passwords.verify(stored, password).await;
        if matches!(verified, Ok(()) | Err(Error::TooManyLogins)) {
            attempt.forgive();
        }
        verified
    }

    /// Notes a wrong password; the name is one that exists, so no mistyped secret is written.
    pub(crate) async fn record_failed_login(
        &self,
        principal: &Principal,
        origin: &Origin,
    ) -> Result<()> {
        self.record_refused_login(Some(principal.id), &principal.name, origin).await
    }

    /// Notes a login under a name that does not exist, without the name, which may be a mistyped
    /// password. Without this row the answer would come sooner, and tell who has an account.
    async fn record_login_of_nobody(&self, origin: &Origin) -> Result<()> {
        self.record_refused_login(None, "unknown", origin).await
    }

    async fn record_refused_login(
        &self,
        principal: Option<PrincipalId>,
        name: &str,
        origin: &Origin,
    ) -> Result<()> {
        let actor = audit::Actor { principal, name, origin };
        let event = audit::Event::of("user", name, "login").refused();
        let mut tx = self.db.begin().await?;
        audit::record(&mut tx, actor, event, self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    async fn robot_caller(
        &self,
        prefix: &str,
        name: &str,
        password: &str,
        origin: Origin,
    ) -> Result<Caller> {
        let now = self.clock.now();
        let turn = self.lookups.acquire().await.map_err(|_| Error::TooManyLogins)?;
        let mut conn = self.db.read().await?;
        let robot = principal::find_named(&mut conn, Kind::Robot, name).await?;
        let robot = robot.filter(|robot| robot.works(now));
        // Asked also where there is none, so that the answer takes as long.
        let id = robot.as_ref().map_or(NOBODY, |robot| robot.id);
        let secrets = secret::of_principal(&mut conn, id).await?;
        drop((conn, turn));
        let robot = robot.ok_or(Error::BadCredentials)?;
        let working: Vec<Secret> = secrets.into_iter().filter(|s| s.works(now)).collect();
        let generated = secrets::verifier(password);
        let found = working.iter().find(|secret| secret.verifier == generated);
        let found = match found {
            Some(found) => found,
            None => self.chosen_secret(name, &working, password, &origin).await?,
        };
        self.note_use(found).await?;
        let mut caller = Caller::principal(robot, prefix, origin);
        caller.secret = Some(found.id);
        Ok(caller)
    }

    /// The secret among those that people chose which this password is.
    async fn chosen_secret<'a>(
        &self,
        name: &str,
        secrets: &'a [Secret],
        password: &str,
        origin: &Origin,
    ) -> Result<&'a Secret> {
        for secret in secrets.iter().filter(|secret| !secret.verifier.starts_with("sha256:")) {
            let stored = Some(secret.verifier.as_str());
            match self.try_password(name, stored, password, origin).await {
                Ok(()) => return Ok(secret),
                Err(Error::BadCredentials) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::BadCredentials)
    }

    async fn personal_token_caller(
        &self,
        prefix: &str,
        name: &str,
        password: &str,
        origin: Origin,
    ) -> Result<Caller> {
        let now = self.clock.now();
        let mut conn = self.db.read().await?;
        let owner = find_account(&mut conn, name).await?.map(|account| account.principal);
        let owner = owner.filter(|owner| owner.works(now));
        let verifier = secrets::verifier(password);
        let id = owner.as_ref().map_or(NOBODY, |owner| owner.id);
        let found = personal_token::with_verifier(&mut conn, id, &verifier).await?;
        let owner = owner.ok_or(Error::BadCredentials)?;
        let (id, secret) = found.ok_or(Error::BadCredentials)?;
        let via = principal::find(&mut conn, id).await?.filter(|via| via.works(now));
        let secret = secret::find(&mut conn, secret).await?;
        drop(conn);
        let (Some(via), Some(secret)) = (via, secret) else {
            return Err(Error::BadCredentials);
        };
        self.require_provider(owner.id).await?;
        // The provider may have said something new of the owner.
        let owner = self.current_principal(owner.id, owner.epoch).await?;
        let owner = owner.ok_or(Error::BadCredentials)?;
        let owner = self.looked_up_again(owner, &origin, BELIEVED).await?;
        let owner = owner.ok_or(Error::BadCredentials)?;
        self.note_use(&secret).await?;
        let mut caller = Caller::principal(owner, prefix, origin).through(via);
        caller.secret = Some(secret.id);
        Ok(caller)
    }

    pub(crate) async fn note_use(&self, secret: &Secret) -> Result<()> {
        let now = self.clock.now();
        if secret.use_is_worth_a_note(now) {
            let mut tx = self.db.begin().await?;
            secret::note_use(&mut tx, secret.id, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Everything that a registry token was issued with must still work.
    async fn token_caller(&self, token: &str, origin: Origin) -> Result<Caller> {
        let claims = self.keys.verify(token, self.clock.now()).await?;
        let Some(id) = claims.principal else {
            let mut caller = Caller::anonymous(origin);
            caller.token = Some(claims);
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
            self.require_secret(secret).await?;
            caller.secret = Some(secret);
        }
        caller.token = Some(claims);
        Ok(caller)
    }

    /// Requires that a secret which was used before has not been taken back since.
    pub(crate) async fn require_secret(&self, id: i64) -> Result<()> {
        let found = secret::find(&mut self.db.read().await?, id).await?;
        let works = found.is_some_and(|secret| secret.works(self.clock.now()));
        if works { Ok(()) } else { Err(Error::InvalidToken) }
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

/// The account with this name, or, when there is none, with this mail address.
pub(crate) async fn find_account(conn: &mut Conn, name: &str) -> Result<Option<UserAccount>> {
    match user::find(conn, name).await? {
        None if name.contains('@') => Ok(user::find_by_email(conn, name).await?),
        found => Ok(found),
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
