//! People with a password, and what a wrong one leaves behind.

use roadstead_model::{Origin, PrincipalId};
use roadstead_storage::Conn;
use roadstead_storage::tables::audit;
use roadstead_storage::tables::principal::Principal;
use roadstead_storage::tables::user::{self, Source, UserAccount};

use super::Auth;
use crate::configuration::Configuration;
use crate::error::{Error, Result};

impl Auth {
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
    pub(super) async fn try_password(
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
}

/// The account with this name, or, when there is none, with this mail address.
pub(crate) async fn find_account(conn: &mut Conn, name: &str) -> Result<Option<UserAccount>> {
    match user::find(conn, name).await? {
        None if name.contains('@') => Ok(user::find_by_email(conn, name).await?),
        found => Ok(found),
    }
}
