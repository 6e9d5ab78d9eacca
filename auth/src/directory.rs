//! People whose password an LDAP directory knows: their logins, and whether they are still there.
//!
//! Trouble with the directory is never a wrong password, and never lets anybody in.

mod accounts;
mod logins;
mod questions;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roadstead_model::Origin;
use roadstead_storage::tables::principal::{Kind, Principal};
use roadstead_storage::tables::user::{self, Source};
use tokio::task::spawn_blocking;

use crate::authenticate::Auth;
use crate::configuration::{Configuration, KEYS};
use crate::error::{Error, Result};
use crate::ldap::{self, Directory, Person, Scope, Settings};
use accounts::By;
pub use accounts::Onboarded;
use logins::Logins;
pub use questions::Ping;

/// How long it is believed that somebody is still in the directory, with the same groups, while
/// they use a session or a personal access token.
pub(crate) const BELIEVED: Duration = Duration::from_mins(10);
/// Longer ones are nobody's password.
const LONGEST_PASSWORD: usize = 1024;

/// The directory as the configuration has it, and what is remembered of logins.
#[derive(Default)]
pub(crate) struct Directories {
    built: Mutex<Option<(Settings, Arc<Directory>)>>,
    logins: Logins,
}

impl Configuration {
    /// Whether people log in with the passwords of an LDAP directory.
    pub fn is_ldap(&self) -> bool {
        self.text("auth_mode") == "ldap_auth"
    }

    /// The directory's settings.
    fn directory(&self, search_password: String) -> Settings {
        let text = |key| self.text(key).to_owned();
        let scope = |key| Scope::from_number(self.number(key)).unwrap_or(Scope::Subtree);
        let seconds = u64::try_from(self.number("ldap_timeout")).unwrap_or(1);
        Settings {
            url: text("ldap_url"),
            search_dn: text("ldap_search_dn"),
            search_password,
            base_dn: text("ldap_base_dn"),
            filter: text("ldap_filter"),
            uid: text("ldap_uid"),
            scope: scope("ldap_scope"),
            timeout: Duration::from_secs(seconds),
            verify_cert: self.is_on("ldap_verify_cert"),
            ca_certificate: Some(text("ldap_ca_certificate")).filter(|pem| !pem.is_empty()),
            group_base_dn: text("ldap_group_base_dn"),
            group_search_filter: text("ldap_group_search_filter"),
            group_attribute_name: text("ldap_group_attribute_name"),
            group_search_scope: scope("ldap_group_search_scope"),
            group_admin_dn: text("ldap_group_admin_dn"),
            group_membership_attribute: text("ldap_group_membership_attribute"),
        }
    }

    /// What a remembered password belongs to: a name, in the directory as it is set up.
    fn login_context(&self, name: &str) -> String {
        let keys = KEYS.iter().filter(|key| key.name.starts_with("ldap_"));
        let mut context: Vec<&str> = keys.map(|key| self.text(key.name)).collect();
        context.push(name);
        context.join("\0")
    }
}

/// What trouble with the directory is to somebody who wants to log in.
fn trouble(error: &ldap::Error) -> Error {
    Error::Directory(error.to_string())
}

impl Auth {
    /// The directory as the configuration has it; the inner error is what is wrong with that.
    async fn built(&self, configuration: &Configuration) -> Result<ldap::Result<Arc<Directory>>> {
        let password = self.configuration.password("ldap_search_password").await?;
        let settings = configuration.directory(password);
        let known = self.directories.built.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, directory)) = known.filter(|(with, _)| *with == settings) {
            return Ok(Ok(directory));
        }
        let built = match build(settings.clone()).await? {
            Ok(directory) => Arc::new(directory),
            Err(error) => return Ok(Err(error)),
        };
        let mut known = self.directories.built.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((settings, built.clone()));
        Ok(Ok(built))
    }

    /// The directory, for those who log in.
    async fn directory(&self, configuration: &Configuration) -> Result<Arc<Directory>> {
        self.built(configuration).await?.map_err(|error| trouble(&error))
    }

    /// Verifies a name and a password with the directory. One that was right within 30 seconds is
    /// right without asking, unless `anew`.
    ///
    /// # Errors
    /// [`Error::BadCredentials`], [`Error::TooManyAttempts`], [`Error::TooManyLogins`], and
    /// [`Error::Directory`] for trouble.
    pub(crate) async fn directory_login(
        &self,
        configuration: &Configuration,
        name: &str,
        password: &str,
        origin: &Origin,
        anew: bool,
    ) -> Result<Principal> {
        let trace = self.passwords.trace(&configuration.login_context(name), password);
        let logins = &self.directories.logins;
        if anew {
            return self.ask_and_admit(configuration, name, password, origin, trace).await;
        }
        // Of parallel logins of one client the first asks for all.
        let since = Instant::now();
        let mut turn = logins.turn(trace).await;
        if let Some((id, epoch)) = logins.remembered(&trace) {
            return self.current_principal(id, epoch).await?.ok_or(Error::BadCredentials);
        }
        if let Some((at, what)) = &*turn
            && *at > since
        {
            return Err(Error::Directory(what.clone()));
        }
        let result = self.ask_and_admit(configuration, name, password, origin, trace).await;
        if let Err(Error::Directory(what)) = &result {
            *turn = Some((Instant::now(), what.clone()));
        }
        result
    }

    async fn ask_and_admit(
        &self,
        configuration: &Configuration,
        name: &str,
        password: &str,
        origin: &Origin,
        trace: [u8; 32],
    ) -> Result<Principal> {
        let logins = &self.directories.logins;
        let attempt = if logins.is_familiar(&trace) {
            None
        } else {
            Some(self.throttle.enter(&ldap::folded(name), &origin.address)?)
        };
        let answer = self.ask_directory(configuration, name, password).await;
        if !matches!(answer, Ok(None))
            && let Some(attempt) = attempt
        {
            attempt.forgive();
        }
        let Some(person) = answer? else {
            return Err(self.refuse_login(name, password, origin).await);
        };
        let admitted = self.admit(&person, By::Themselves(origin)).await?;
        let principal = admitted.ok_or(Error::BadCredentials)?;
        logins.remember(trace, &principal);
        Ok(principal)
    }

    async fn ask_directory(
        &self,
        configuration: &Configuration,
        name: &str,
        password: &str,
    ) -> Result<Option<Person>> {
        if password.len() > LONGEST_PASSWORD {
            return Ok(None);
        }
        let directory = self.directory(configuration).await?;
        let _seat = self.directories.logins.seat().await?;
        directory.authenticate(name, password).await.map_err(|error| trouble(&error))
    }

    /// What a failed login costs and leaves behind, whether there is such an account or not.
    async fn refuse_login(&self, name: &str, password: &str, origin: &Origin) -> Error {
        // As slow as for an account whose password is here.
        if let Err(error @ Error::TooManyLogins) = self.passwords.verify(None, password).await {
            return error;
        }
        let noted = async {
            let account = user::find(&mut self.db.read().await?, name).await?;
            match account {
                Some(account) => self.record_failed_login(&account.principal, origin).await,
                None => Ok(()),
            }
        };
        noted.await.err().unwrap_or(Error::BadCredentials)
    }

    /// The same principal, brought up to date from the directory that they belong to unless that
    /// was done within `at_most`; None when the directory does not know them any more.
    ///
    /// # Errors
    /// [`Error::Directory`] for trouble.
    pub(crate) async fn looked_up_again(
        &self,
        principal: Principal,
        origin: &Origin,
        at_most: Duration,
    ) -> Result<Option<Principal>> {
        let logins = &self.directories.logins;
        if principal.kind != Kind::User || logins.was_seen(principal.id, at_most) {
            return Ok(Some(principal));
        }
        let mut conn = self.db.read().await?;
        let account = user::find_by_id(&mut conn, principal.id).await?;
        if account.is_none_or(|account| account.source != Source::Ldap) {
            logins.see(principal.id);
            return Ok(Some(principal));
        }
        let name = user::directory_name(&mut conn, principal.id).await?;
        drop(conn);
        let configuration = self.configuration().await?;
        if !configuration.is_ldap() {
            return Ok(None);
        }
        let directory = self.directory(&configuration).await?;
        let seat = logins.seat().await?;
        let found = directory.find_user(&name).await.map_err(|error| trouble(&error))?;
        drop(seat);
        let Some(person) = found else {
            return Ok(None);
        };
        let admitted = self.admit(&person, By::Themselves(origin)).await?;
        Ok(admitted.filter(|found| found.id == principal.id && found.epoch == principal.epoch))
    }
}

/// Reads the system's certificates, which are files.
async fn build(settings: Settings) -> Result<ldap::Result<Directory>> {
    let built = spawn_blocking(move || Directory::new(settings)).await;
    built.map_err(|_| Error::Crypto("reading certificates was cut off"))
}
