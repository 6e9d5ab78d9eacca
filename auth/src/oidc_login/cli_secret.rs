//! The secret that a provider's people give to docker, which has no browser. It is one per person,
//! kept sealed and not hashed, because Harbor's users look it up.

use std::fmt;

use aws_lc_rs::constant_time;
use roadstead_model::{Origin, PrincipalId, Timestamp};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::user::UserAccount;
use roadstead_storage::tables::{oidc_account, secret};

use super::secret_context;
use crate::accounts::changeable;
use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::passwords;
use crate::secrets::{self, TOKEN_PREFIX};

/// What stands in the row of a secret, so that what was issued with it ends when it is replaced;
/// the secret itself is in the row of the person.
pub(super) const GENERATED: &str = "sealed:generated";
const CHOSEN: &str = "sealed:chosen";

/// What a person's account has of the provider; Harbor's `OIDCUserInfo`.
#[derive(Clone)]
pub struct OidcMeta {
    /// Whose it is.
    pub user: PrincipalId,
    /// The person's id at the provider, and then the provider.
    pub subiss: String,
    /// The secret of the command line, where it was asked for.
    pub secret: Option<String>,
    /// When the person came here first.
    pub created_at: Timestamp,
    /// When the secret was replaced last.
    pub updated_at: Timestamp,
}

/// Leaves out the secret.
impl fmt::Debug for OidcMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcMeta")
            .field("user", &self.user)
            .field("subiss", &self.subiss)
            .finish_non_exhaustive()
    }
}

impl Auth {
    /// What an account has of the provider; none when it is not a provider's person's. The secret
    /// is there with `with_secret` only, which is for the person themself and nobody else: they
    /// must have come with credentials of their own, not with a token or with the secret.
    ///
    /// # Errors
    /// [`Error::WrongSecretKey`], or trouble with the database.
    pub async fn oidc_meta(&self, id: PrincipalId, with_secret: bool) -> Result<Option<OidcMeta>> {
        let Some(row) = oidc_account::find(&mut self.db.read().await?, id).await? else {
            return Ok(None);
        };
        let secret = if with_secret { Some(self.opened_secret(id, &row.secret)?) } else { None };
        Ok(Some(OidcMeta {
            user: id,
            subiss: format!("{}{}", row.subject, row.issuer),
            secret,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }))
    }

    /// Gives a person another secret for their command line, on behalf of `by`, whose permission is
    /// checked by the caller: `chosen`, or, when that is empty, a generated one. What was issued
    /// with the old one ends.
    ///
    /// # Errors
    /// [`Error::Precondition`] in another mode, [`Error::NotFound`] when the account is not of the
    /// provider, [`Error::Denied`] when it is an administrator's and `by` is none,
    /// [`Error::Invalid`] when the chosen secret breaks the rule for passwords.
    pub async fn set_cli_secret(&self, by: &Caller, id: PrincipalId, chosen: &str) -> Result<()> {
        if !self.configuration().await?.is_oidc() {
            return Err(Error::Precondition("only people of an OIDC provider have a CLI secret"));
        }
        let (secret, kind) = match chosen {
            "" => (secrets::generate()?, GENERATED),
            _ => (chosen.to_owned(), CHOSEN),
        };
        passwords::check(&secret)?;
        if secret.starts_with(TOKEN_PREFIX) {
            return Err(Error::Invalid("a secret must not begin like personal access tokens"));
        }
        let sealed = self.secret.seal(secret.as_bytes(), &secret_context(id))?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let account = changeable(&mut tx, by, id).await?;
        let found = oidc_account::find(&mut tx, id).await?;
        found.ok_or(Error::NotFound("user of the OIDC provider"))?;
        oidc_account::set_secret(&mut tx, id, &sealed, now).await?;
        secret::remove_all_of(&mut tx, id).await?;
        secret::insert(&mut tx, id, kind, None, now).await?;
        let event = Event::of("user", &account.principal.name, "update");
        audit::record(&mut tx, by.actor(), event.described("CLI secret replaced"), now).await?;
        Ok(tx.commit().await?)
    }

    /// The caller that a person's name and the secret of their command line stand for.
    ///
    /// # Errors
    /// [`Error::BadCredentials`], [`Error::TooManyAttempts`]; with the right secret
    /// [`Error::LoginEnded`] and [`Error::Directory`].
    pub(crate) async fn cli_secret_caller(
        &self,
        prefix: &str,
        account: UserAccount,
        password: &str,
        origin: Origin,
    ) -> Result<Caller> {
        let id = account.principal.id;
        let mut conn = self.db.read().await?;
        let row = oidc_account::find(&mut conn, id).await?.ok_or(Error::BadCredentials)?;
        let secrets = secret::of_principal(&mut conn, id).await?;
        drop(conn);
        let secret = secrets.first().ok_or(Error::BadCredentials)?;
        let expected = self.opened_secret(id, &row.secret)?;
        let chosen = secret.verifier == CHOSEN;
        self.check_cli_secret(&account, secret.id, chosen, &expected, password, &origin).await?;
        if !account.principal.works(self.clock.now()) {
            return Err(Error::BadCredentials);
        }
        self.require_provider(id).await?;
        self.note_use(secret).await?;
        let principal = self.working_principal(id).await?.ok_or(Error::BadCredentials)?;
        let mut caller = Caller::principal(principal, prefix, origin).proven_by(secret);
        caller.cli_secret = true;
        Ok(caller)
    }

    /// Wrong secrets count as wrong passwords do. A generated one that is right always passes; one
    /// that a person chose could be guessed, so that it must have been right lately to pass when
    /// there were too many wrong ones.
    async fn check_cli_secret(
        &self,
        account: &UserAccount,
        id: i64,
        chosen: bool,
        expected: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<()> {
        let right =
            constant_time::verify_slices_are_equal(expected.as_bytes(), password.as_bytes());
        let right = right.is_ok();
        let stored = format!("cli_secret:{id}");
        if right && (!chosen || self.passwords.is_familiar(Some(&stored), password)) {
            return Ok(());
        }
        let name = &account.principal.name;
        let attempt = self.throttle.enter(name, &origin.address)?;
        if right {
            attempt.forgive();
            self.passwords.note_right(&stored, password);
            return Ok(());
        }
        // Takes as long as for a name that does not exist.
        if let Err(Error::TooManyLogins) = self.passwords.verify(None, password).await {
            attempt.forgive();
            return Err(Error::TooManyLogins);
        }
        self.record_failed_login(&account.principal, origin).await?;
        Err(Error::BadCredentials)
    }

    fn opened_secret(&self, id: PrincipalId, sealed: &[u8]) -> Result<String> {
        let opened = self.secret.open(sealed, &secret_context(id))?;
        String::from_utf8(opened).map_err(|_| Error::WrongSecretKey)
    }
}
