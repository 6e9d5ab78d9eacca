//! People of an OpenID provider: their logins with a browser, their accounts here, and what their
//! programs come with.
//!
//! What the provider itself says and how it is asked is in [`crate::oidc`].

use std::sync::{PoisonError, RwLock};

use roadstead_model::{Origin, PrincipalId, Timestamp};
use roadstead_storage::Tx;
use roadstead_storage::tables::user::{Source, UserAccount};
use roadstead_storage::tables::{oidc_account, oidc_newcomer};

use crate::authenticate::{Auth, find_account};
use crate::caller::Caller;
use crate::configuration::Configuration;
use crate::error::{Error, Result};
use crate::oidc::{self, Provider, Settings};
use crate::sealing::SecretKey;

mod browser;
mod cli_secret;
mod people;
mod standing;

pub(crate) use browser::{Arrival, PENDING};
pub use cli_secret::OidcMeta;
pub(crate) use standing::doubt;

/// Where the provider sends browsers back to.
const CALLBACK: &str = "/c/oidc/callback";
/// Where a browser's login begins.
const LOGIN: &str = "/c/oidc/login";

/// What is kept of the provider between requests.
#[derive(Default)]
pub(crate) struct Logins {
    provider: RwLock<Option<Provider>>,
    turns: standing::Turns,
}

impl Configuration {
    /// Whether people log in at an OpenID provider.
    pub fn is_oidc(&self) -> bool {
        self.text("auth_mode") == "oidc_auth"
    }
}

impl Auth {
    /// The provider that the configuration names, made anew when it changes.
    async fn oidc_provider(&self) -> Result<Provider> {
        let settings = self.oidc_settings(&*self.configuration().await?).await?;
        let known = self.oidc.provider.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| *known.settings() == settings) {
            return Ok(known);
        }
        let made = Provider::new(settings, self.clock.clone()).map_err(|error| failure(&error))?;
        let mut kept = self.oidc.provider.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(made.clone());
        Ok(made)
    }

    async fn oidc_settings(&self, configuration: &Configuration) -> Result<Settings> {
        let text = |key: &str| configuration.text(key).trim().to_owned();
        let unusable = "oidc_extra_redirect_parms is no JSON object of texts";
        let extra = serde_json::from_str(configuration.text("oidc_extra_redirect_parms"));
        let certificate = configuration.text("oidc_ca_certificate");
        Ok(Settings {
            name: text("oidc_name"),
            endpoint: text("oidc_endpoint"),
            client_id: text("oidc_client_id"),
            client_secret: self.configuration.password("oidc_client_secret").await?,
            scope: text("oidc_scope"),
            user_claim: text("oidc_user_claim"),
            groups_claim: text("oidc_groups_claim"),
            admin_group: text("oidc_admin_group"),
            group_filter: text("oidc_group_filter"),
            auto_onboard: configuration.is_on("oidc_auto_onboard"),
            verify_cert: configuration.is_on("oidc_verify_cert"),
            ca_certificate: Some(certificate.to_owned()).filter(|pem| !pem.trim().is_empty()),
            extra_redirect_params: extra.map_err(|_| Error::Directory(unusable.to_owned()))?,
            logout: configuration.is_on("oidc_logout"),
            redirect_url: self.address(CALLBACK),
        })
    }

    /// Whether a provider answers at `endpoint`, and is the issuer of that name. Why not is in the
    /// log only: whoever asks is not told what else listens there.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn ping_oidc(&self, endpoint: &str, verify_cert: bool) -> Result<()> {
        let settings = Settings {
            endpoint: endpoint.to_owned(),
            client_id: String::new(),
            client_secret: String::new(),
            extra_redirect_params: [].into(),
            group_filter: String::new(),
            verify_cert,
            ..self.oidc_settings(&*self.configuration().await?).await?
        };
        let answered = Provider::discover(settings, self.clock.clone()).await;
        answered.map(drop).map_err(|error| {
            tracing::warn!(%error, "the OIDC endpoint that was asked for does not work");
            Error::Invalid("no OIDC provider answers at this endpoint under this name")
        })
    }

    /// The account of the provider's person with this name, or this mail address. None in other
    /// modes, in which the provider's people do not log in.
    pub(crate) async fn oidc_account(
        &self,
        configuration: &Configuration,
        name: &str,
    ) -> Result<Option<UserAccount>> {
        if !configuration.is_oidc() {
            return Ok(None);
        }
        let account = find_account(&mut self.db.read().await?, name).await?;
        Ok(account.filter(|account| account.source == Source::Oidc))
    }

    /// Where somebody logs in whose password is not here, or who is not known yet.
    pub(crate) async fn oidc_login_location(
        &self,
        configuration: &Configuration,
        name: &str,
    ) -> Result<Option<String>> {
        if !configuration.is_oidc() {
            return Ok(None);
        }
        let account = find_account(&mut self.db.read().await?, name).await?;
        let here = account.is_some_and(|account| account.source != Source::Oidc);
        Ok(if here { None } else { Some(self.address(LOGIN)) })
    }

    /// The caller that an `id_token` of the provider is about; they must have an account.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], [`Error::LoginEnded`], [`Error::Directory`].
    pub(crate) async fn id_token_caller(&self, token: &str, origin: Origin) -> Result<Caller> {
        let configuration = self.configuration().await?;
        if !configuration.is_oidc() {
            return Err(Error::InvalidToken);
        }
        let proven = self.oidc_provider().await?.verify_id_token(token).await;
        let person = proven.map_err(|error| match error {
            oidc::Error::InvalidToken(_) => Error::InvalidToken,
            error => failure(&error),
        })?;
        let mut conn = self.db.read().await?;
        let account =
            oidc_account::find_subject(&mut conn, &person.issuer, &person.subject).await?;
        drop(conn);
        let id = account.ok_or(Error::InvalidToken)?.principal;
        // The token may be older than what the provider says of the person now.
        self.require_provider(id).await?;
        let principal = self.working_principal(id).await?.ok_or(Error::InvalidToken)?;
        Ok(Caller::principal(principal, configuration.robot_prefix(), origin))
    }

    /// The address of a path for browsers.
    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.external_url.trim_end_matches('/'))
    }
}

/// What a failed step of a login means: the browser's fault, or trouble at the provider.
fn failure(error: &oidc::Error) -> Error {
    use oidc::Error as E;
    match error {
        E::ForeignCallback(_) | E::Refused(_) | E::InvalidToken(_) => {
            Error::Refused(error.to_string())
        }
        E::Ended => Error::LoginEnded,
        E::Settings(_) | E::Unavailable(_) | E::BadAnswer(_) | E::Crypto(_) => {
            Error::Directory(error.to_string())
        }
    }
}

/// What binds sealed secrets to their column and row.
fn secret_context(id: PrincipalId) -> String {
    format!("oidc_account.secret:{id}")
}

fn refresh_token_context(id: PrincipalId) -> String {
    format!("oidc_account.refresh_token:{id}")
}

/// Seals every secret of the provider's people again; who was choosing a name begins again.
pub(crate) async fn reseal(tx: &mut Tx, secret: &SecretKey) -> Result<usize> {
    let anew = |sealed: &[u8], context: &str| secret.seal(&secret.open(sealed, context)?, context);
    let accounts = oidc_account::all(tx).await?;
    let count = accounts.len();
    for account in accounts {
        let id = account.principal;
        let own = anew(&account.secret, &secret_context(id))?;
        let token = account.refresh_token.as_deref();
        let token = token.map(|token| anew(token, &refresh_token_context(id))).transpose()?;
        oidc_account::reseal(tx, id, &own, token.as_deref()).await?;
    }
    oidc_newcomer::remove_expired(tx, Timestamp(i64::MAX)).await?;
    Ok(count)
}
