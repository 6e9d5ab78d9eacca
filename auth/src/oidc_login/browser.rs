//! A browser's way through a login at the provider, and out again.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use roadstead_model::{Origin, PrincipalId, Timestamp};
use roadstead_storage::tables::principal::Principal;
use roadstead_storage::tables::{oidc_account, oidc_newcomer};
use serde::{Deserialize, Serialize};

use super::failure;
use super::people::Person;
use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::oidc::{Callback, Pending, Provider, local_redirect};
use crate::randomness;

/// How long a login may take, and then the choice of a name.
pub(crate) const PENDING: Duration = Duration::from_mins(10);
/// A longer address would not fit into a cookie with the rest.
const LONGEST_REDIRECT: usize = 1000;
/// What the sealed cookie of a login is bound to.
const COOKIE_CONTEXT: &str = "cookie.oidc-login";

/// What a browser brings back from the provider, sealed: any replica can finish the login.
#[derive(Serialize, Deserialize)]
struct Begun {
    pending: Pending,
    redirect: String,
    expires_at: i64,
}

/// What is kept of somebody who is choosing a name.
#[derive(Serialize, Deserialize)]
struct Newcomer {
    person: Person,
    redirect: String,
}

/// How a login at the provider ended.
pub(crate) enum Arrival {
    /// With an account.
    Known {
        principal: Principal,
        id_token: String,
        /// A path of this server.
        redirect: String,
    },
    /// With somebody who has none and chooses a name.
    New {
        /// The value of their cookie.
        cookie: String,
        /// The name that the provider has for them.
        suggested: String,
        /// A path of this server.
        redirect: String,
    },
}

impl Auth {
    async fn require_oidc(&self) -> Result<()> {
        let message = "the authentication mode is not oidc_auth";
        let right = self.configuration().await?.is_oidc();
        if right { Ok(()) } else { Err(Error::Precondition(message)) }
    }

    /// Begins a login that ends at `redirect`, a path of this server. Returns where the browser
    /// goes and the value of its cookie.
    ///
    /// # Errors
    /// [`Error::Precondition`] in another mode, [`Error::Invalid`] when the path leads elsewhere,
    /// [`Error::Directory`].
    pub(crate) async fn begin_oidc_login(&self, redirect: &str) -> Result<(String, String)> {
        self.require_oidc().await?;
        let local = local_redirect(redirect).filter(|path| path.len() <= LONGEST_REDIRECT);
        let local = local.ok_or(Error::Invalid("redirect_url must be a path of this server"))?;
        let started = self.oidc_provider().await?.begin().await.map_err(|error| failure(&error))?;
        let begun = Begun {
            pending: started.pending,
            redirect: local.to_owned(),
            expires_at: self.clock.now().after(PENDING).0,
        };
        let sealed = self.secret.seal(&json(&begun)?, COOKIE_CONTEXT)?;
        Ok((started.url.into(), BASE64.encode(sealed)))
    }

    /// Finishes a login with the query and the cookie of the callback.
    ///
    /// # Errors
    /// [`Error::Refused`] when it was not begun by this browser, or the provider refuses;
    /// [`Error::Denied`] for a disabled account, [`Error::Conflict`] for a name or an address that
    /// is somebody else's, [`Error::Precondition`], [`Error::Directory`].
    pub(crate) async fn finish_oidc_login(
        &self,
        query: &str,
        cookie: Option<&str>,
        origin: &Origin,
    ) -> Result<Arrival> {
        self.require_oidc().await?;
        let callback = Callback::parse(query).map_err(|error| failure(&error))?;
        let begun = cookie.and_then(|cookie| self.begun(cookie)).ok_or_else(|| {
            Error::Refused("this login was not begun here, or took too long; start again".into())
        })?;
        let provider = self.oidc_provider().await?;
        let login = provider.finish(&callback, &begun.pending).await;
        let login = login.map_err(|error| failure(&error))?;
        let redirect = begun.redirect;
        let person = Person {
            identity: login.identity,
            id_token: login.id_token.unwrap_or_default(),
            refresh_token: login.refresh_token,
        };
        let (issuer, subject) = (&person.identity.issuer, &person.identity.subject);
        let mut conn = self.db.read().await?;
        let account = oidc_account::find_subject(&mut conn, issuer, subject).await?;
        drop(conn);
        let principal = match account {
            Some(account) => self.returning(account.principal, &person, origin).await?,
            None if provider.settings().auto_onboard => {
                let name = person.identity.username.as_deref().ok_or(Error::Invalid(
                    "the OIDC provider does not say the claim that has the username: it is missing, \
                     empty, or an email address that was not verified",
                ))?;
                self.welcome(name, &person, origin).await?
            }
            None => return self.keep_newcomer(person, redirect).await,
        };
        Ok(Arrival::Known { principal, id_token: person.id_token, redirect })
    }

    fn begun(&self, cookie: &str) -> Option<Begun> {
        let sealed = BASE64.decode(cookie).ok()?;
        let opened = self.secret.open(&sealed, COOKIE_CONTEXT).ok()?;
        let begun: Begun = serde_json::from_slice(&opened).ok()?;
        (self.clock.now() < Timestamp(begun.expires_at)).then_some(begun)
    }

    /// In the database, because tokens and groups are too large for a cookie.
    async fn keep_newcomer(&self, person: Person, redirect: String) -> Result<Arrival> {
        let mut key = [0; 32];
        randomness::fill(&mut key)?;
        let cookie = BASE64.encode(key);
        let hash = hash(&cookie);
        let suggested = person.identity.username.clone().unwrap_or_default();
        let newcomer = Newcomer { person, redirect: redirect.clone() };
        let sealed = self.secret.seal(&json(&newcomer)?, &newcomer_context(&hash))?;
        let mut tx = self.db.begin().await?;
        let until = self.clock.now().after(PENDING);
        oidc_newcomer::insert(&mut tx, &hash, &sealed, until).await?;
        tx.commit().await?;
        Ok(Arrival::New { cookie, suggested, redirect })
    }

    /// Makes the account of somebody who has chosen a name. Returns them and the provider's
    /// `id_token`.
    ///
    /// # Errors
    /// [`Error::Refused`] when nobody is choosing one with this cookie, [`Error::Invalid`] for a
    /// name that cannot be used, [`Error::Conflict`], [`Error::Precondition`].
    pub(crate) async fn choose_name(
        &self,
        cookie: Option<&str>,
        name: &str,
        origin: &Origin,
    ) -> Result<(Principal, String)> {
        self.require_oidc().await?;
        let nobody = || {
            Error::Refused(
                "nobody is choosing a username here, or it took too long; log in again".into(),
            )
        };
        let hash = hash(cookie.ok_or_else(nobody)?);
        let now = self.clock.now();
        let kept = oidc_newcomer::find(&mut self.db.read().await?, &hash, now).await?;
        let opened = self.secret.open(&kept.ok_or_else(nobody)?, &newcomer_context(&hash))?;
        let newcomer: Newcomer = serde_json::from_slice(&opened).map_err(|_| nobody())?;
        let principal = self.welcome(name, &newcomer.person, origin).await?;
        let mut tx = self.db.begin().await?;
        oidc_newcomer::remove(&mut tx, &hash).await?;
        tx.commit().await?;
        Ok((principal, newcomer.person.id_token))
    }

    /// Ends the session that a caller came with. Returns where the browser goes then, when the
    /// session began at the provider: with `oidc_logout` to the provider, which ends its own.
    ///
    /// # Errors
    /// Trouble with the database only: a provider that does not answer keeps nobody logged in.
    pub(crate) async fn log_out(&self, caller: &Caller) -> Result<Option<String>> {
        let Some(id_token) = self.end_session(caller).await? else {
            return Ok(None);
        };
        let home = self.address("/");
        if !self.configuration().await?.is_oidc() {
            return Ok(None);
        }
        let provider = match self.oidc_provider().await {
            Ok(provider) if provider.settings().logout => provider,
            Ok(_) => return Ok(Some(home)),
            Err(error) => {
                tracing::warn!(%error, "nobody can be logged out at the OIDC provider");
                return Ok(Some(home));
            }
        };
        if let Some(id) = caller.id() {
            self.revoke_refresh_token(id, &provider).await?;
        }
        let there = provider.end_session_url(&id_token, &home).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "nobody can be logged out at the OIDC provider");
            None
        });
        Ok(Some(there.map_or(home, String::from)))
    }

    /// What else the person uses works on for an hour, and then wants a login.
    async fn revoke_refresh_token(&self, id: PrincipalId, provider: &Provider) -> Result<()> {
        let _turn = self.oidc.turns.take(id).await;
        let account = oidc_account::find(&mut self.db.read().await?, id).await?;
        let account = account.filter(|it| it.issuer == provider.settings().endpoint);
        let account = account.filter(|it| it.refresh_token.is_some());
        let Some(account) = account else {
            return Ok(());
        };
        if let Err(error) = provider.revoke(&self.refresh_token(&account)?).await {
            tracing::warn!(%error, "a refresh token was not revoked at the OIDC provider");
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        oidc_account::forget_refresh_token(&mut tx, id).await?;
        Ok(tx.commit().await?)
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|_| Error::Crypto("a login could not be written down"))
}

/// The cookie has 256 random bits, so a plain hash is enough.
fn hash(cookie: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, cookie.as_bytes()).as_ref().to_vec()
}

fn newcomer_context(hash: &[u8]) -> String {
    format!("oidc_newcomer.person:{}", BASE64.encode(hash))
}
