//! A provider: logging in, staying logged in, and logging out.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use reqwest::{StatusCode, Url};
use roadstead_model::{Clock, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::cache::{Cache, Loaded};
use super::claims::Claims;
use super::client::Answer;
use super::error::{Error, Result, shown};
use super::flow::{Begin, Callback, Pending};
use super::id_token::{self, Expected};
use super::login::{Identity, Login, is_incomplete};
use super::settings::Settings;

/// How long a login counts before the provider is asked again, whatever it says itself: who was
/// removed there is gone here an hour later.
const LONGEST_TRUST: Duration = Duration::from_hours(1);
/// How long a refreshed login counts when the provider does not say.
const UNSAID_LIFETIME: Duration = Duration::from_mins(5);

/// One provider with its settings. Clones share what was learnt about it.
#[derive(Clone)]
pub struct Provider {
    settings: Arc<Settings>,
    filter: Option<Regex>,
    cache: Arc<Cache>,
}

/// The token endpoint's answer (RFC 6749 section 5.1, Core section 3.1.3.3).
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    token_type: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

/// Its refusal (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Provider {
    /// Checks the settings; the provider is asked when it is needed first.
    ///
    /// # Errors
    /// [`Error::Settings`].
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        settings.check_extra_parameters()?;
        let filter = settings.filter()?;
        let cache = Cache::new(&settings, clock)?;
        Ok(Self { settings: Arc::new(settings), filter, cache })
    }

    /// As [`Self::new`], and asks the provider for its endpoints and keys.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::Unavailable`], and [`Error::BadAnswer`], also when the
    /// provider calls itself by another issuer than the configured one.
    pub async fn discover(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let provider = Self::new(settings, clock)?;
        provider.cache.current().await?;
        Ok(provider)
    }

    /// The settings that this provider was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Begins a browser's login with state, nonce and PKCE (RFC 7636).
    ///
    /// # Errors
    /// As for [`Self::discover`].
    pub async fn begin(&self) -> Result<Begin> {
        let loaded = self.cache.current().await?;
        let pending = Pending::new(&self.settings.endpoint)?;
        let url = pending.authorization_url(&loaded.endpoints.authorization, &self.settings);
        Ok(Begin { url, pending })
    }

    /// Finishes a browser's login: exchanges the code, and believes the `id_token` after every
    /// check of Core section 3.1.3.7. What it lacks about the person is asked of the userinfo
    /// endpoint.
    ///
    /// # Errors
    /// [`Error::ForeignCallback`], [`Error::Refused`], [`Error::InvalidToken`], and as for
    /// [`Self::discover`].
    pub async fn finish(&self, callback: &Callback, pending: &Pending) -> Result<Login> {
        let loaded = self.cache.current().await?;
        let issuer = &self.settings.endpoint;
        let code = pending.code(callback, issuer, loaded.endpoints.names_itself)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.settings.redirect_url),
            ("code_verifier", &pending.pkce_verifier),
        ];
        let tokens = self.tokens(&loaded, &form).await?;
        if tokens.id_token.is_none() {
            return Err(Error::BadAnswer("it issued no id_token"));
        }
        self.login(&loaded, tokens, Some(pending.nonce()), None).await
    }

    /// Asks the provider whether it still knows `subject`, and who they are now. Of the login's
    /// refresh token only the returned one may be used next time, which may be the same.
    ///
    /// # Errors
    /// [`Error::Ended`] when the provider has ended the login. Any other error says nothing about
    /// the person: [`Error::Refused`] is about our own credentials, [`Error::Unavailable`] about
    /// the network.
    pub async fn refresh(&self, refresh_token: &str, subject: &str) -> Result<Login> {
        let loaded = self.cache.current().await?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let mut tokens = match self.tokens(&loaded, &form).await {
            Err(Error::Refused(code)) if code == "invalid_grant" => return Err(Error::Ended),
            tokens => tokens?,
        };
        tokens.refresh_token.get_or_insert_with(|| refresh_token.to_owned());
        self.login(&loaded, tokens, None, Some(subject)).await
    }

    /// Who an `id_token`, sent with a request to the API, was issued about. It must be for this
    /// registry and not have expired. Nobody else is asked: groups that are not in the token are
    /// none.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], and as for [`Self::discover`].
    pub async fn verify_id_token(&self, token: &str) -> Result<Identity> {
        // Before anything is asked of the network.
        id_token::header(token, &self.settings.endpoint)?;
        let loaded = self.cache.current().await?;
        let claims = self.verified(&loaded, token, &self.expected()).await?;
        Ok(Identity::read(&claims, &self.settings, self.filter.as_ref()))
    }

    /// Where the browser goes to log out at the provider as well (RP-Initiated Logout 1.0); none
    /// when the settings or the provider do not have that.
    ///
    /// # Errors
    /// As for [`Self::discover`].
    pub async fn end_session_url(&self, id_token: &str, back_to: &str) -> Result<Option<Url>> {
        if !self.settings.logout {
            return Ok(None);
        }
        let loaded = self.cache.current().await?;
        Ok(loaded.endpoints.end_session.clone().map(|mut url| {
            url.query_pairs_mut()
                .append_pair("id_token_hint", id_token)
                .append_pair("client_id", &self.settings.client_id)
                .append_pair("post_logout_redirect_uri", back_to);
            url
        }))
    }

    /// Ends a refresh token at the provider (RFC 7009), if it offers that.
    ///
    /// # Errors
    /// [`Error::Refused`], and as for [`Self::discover`].
    pub async fn revoke(&self, refresh_token: &str) -> Result<()> {
        let loaded = self.cache.current().await?;
        let Some(endpoint) = &loaded.endpoints.revocation else {
            return Ok(());
        };
        let form = [("token", refresh_token), ("token_type_hint", "refresh_token")];
        let answer = self.post(&loaded, endpoint, &form).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(refusal(&answer)) }
    }

    async fn tokens(&self, loaded: &Loaded, form: &[(&str, &str)]) -> Result<Tokens> {
        let answer = self.post(loaded, &loaded.endpoints.token, form).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        let tokens: Tokens = answer.json()?;
        if !tokens.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(Error::BadAnswer("its access tokens are not of the type Bearer"));
        }
        Ok(tokens)
    }

    /// Posts a form as our client: Basic credentials where the provider takes them, else in the
    /// form; public clients have a name only.
    async fn post(&self, loaded: &Loaded, url: &Url, form: &[(&str, &str)]) -> Result<Answer> {
        let (id, secret) = (self.settings.client_id.as_str(), self.settings.client_secret.as_str());
        if loaded.endpoints.basic && !secret.is_empty() {
            return self.cache.http.post(url, form, Some((id, secret))).await;
        }
        let mut form = form.to_vec();
        form.push(("client_id", id));
        if !secret.is_empty() {
            form.push(("client_secret", secret));
        }
        self.cache.http.post(url, &form, None).await
    }

    /// From tokens to a person.
    async fn login(
        &self,
        loaded: &Arc<Loaded>,
        tokens: Tokens,
        nonce: Option<&str>,
        subject: Option<&str>,
    ) -> Result<Login> {
        let access_token = Some(tokens.access_token.as_str());
        let proven = match &tokens.id_token {
            None => None,
            Some(token) => {
                let expected = Expected { nonce, access_token, subject, ..self.expected() };
                Some(self.verified(loaded, token, &expected).await?)
            }
        };
        let says = tokens.expires_in.map_or(UNSAID_LIFETIME, Duration::from_secs);
        let expires_at = match proven.as_ref().and_then(|claims| claims.seconds("exp")) {
            Some(seconds) => Timestamp(seconds.saturating_mul(1_000_000)),
            None => self.cache.now().after(says),
        };
        let expires_at = expires_at.min(self.cache.now().after(LONGEST_TRUST));
        let claims = self.completed(loaded, proven, subject, &tokens.access_token).await?;
        Ok(Login {
            identity: Identity::read(&claims, &self.settings, self.filter.as_ref()),
            id_token: tokens.id_token,
            refresh_token: tokens.refresh_token,
            expires_at,
        })
    }

    /// Verifies an `id_token`; a key that is not known may be new at the provider.
    async fn verified(
        &self,
        loaded: &Arc<Loaded>,
        token: &str,
        expected: &Expected<'_>,
    ) -> Result<Claims> {
        let header = id_token::header(token, &self.settings.endpoint)?;
        let mut loaded = Arc::clone(loaded);
        if header.kid.as_deref().is_some_and(|id| !loaded.keys.has(id)) {
            loaded = self.cache.newer_than(Some(loaded)).await?;
        }
        id_token::verify(token, &header, &loaded.keys, expected, self.cache.now())
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            issuer: &self.settings.endpoint,
            client_id: &self.settings.client_id,
            nonce: None,
            access_token: None,
            subject: None,
        }
    }

    /// The claims of the `id_token`, and of the userinfo endpoint if some are missing; both must be
    /// about the same person (Core section 5.3.2).
    async fn completed(
        &self,
        loaded: &Loaded,
        proven: Option<Claims>,
        subject: Option<&str>,
        access_token: &str,
    ) -> Result<Claims> {
        let known = proven.as_ref().and_then(|claims| claims.text("sub")).or(subject);
        let endpoint = match (&loaded.endpoints.userinfo, &proven) {
            (None, Some(complete)) => return Ok(complete.clone()),
            (Some(_), Some(claims)) if !is_incomplete(claims, &self.settings) => {
                return Ok(claims.clone());
            }
            (Some(endpoint), _) => endpoint,
            (None, None) => {
                return Err(Error::BadAnswer("it says in no way who the token is about"));
            }
        };
        let answer = self.cache.http.get(endpoint, Some(access_token)).await?;
        let info: Map<String, Value> = answer.json()?;
        let info = Claims(info);
        if known.is_none() || info.text("sub") != known {
            return Err(Error::BadAnswer("its userinfo is about another person"));
        }
        let mut claims = proven.unwrap_or(Claims(Map::new()));
        claims.fill_from(info);
        Ok(claims)
    }
}

/// What an answer other than 200 means: an error code of the protocol, or trouble.
fn refusal(answer: &Answer) -> Error {
    let refusal = answer.status.is_client_error().then(|| answer.error_json::<Refusal>()).flatten();
    match refusal {
        Some(refusal) if answer.status != StatusCode::TOO_MANY_REQUESTS => {
            Error::Refused(shown(&refusal.error))
        }
        _ => answer.unexpected(),
    }
}
