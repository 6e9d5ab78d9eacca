//! Logins of browsers: a random cookie, whose hash is a row.

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::HeaderMap;
use http::header::COOKIE;
use roadstead_model::{Origin, PrincipalId};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::principal::{self, Principal};
use roadstead_storage::tables::session::{self, Session};

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::directory::BELIEVED;
use crate::error::{Error, Result};
use crate::oidc_login;
use crate::randomness;

/// Harbor's name of the cookie; where https allows it, with the prefix that binds it to the host.
const COOKIE_NAME: &str = "sid";
const HOST_PREFIX: &str = "__Host-";
/// The header that carries the token against forged requests, both ways.
pub const CSRF_HEADER: &str = "x-harbor-csrf-token";
/// Requests with this header do not keep a session alive.
const NO_RENEWAL: &str = "x-harbor-no-session-renewal";
const LONGEST_USER_AGENT: usize = 200;

/// The cookie of a session, as the browser sent it.
#[derive(Clone, Debug)]
pub struct Cookie(String);

impl Cookie {
    /// The session's cookie of a request, if there is one.
    pub fn of(headers: &HeaderMap, origin: &Origin) -> Option<Self> {
        cookie_value(headers, &cookie_name(COOKIE_NAME, origin.https))
            .map(|value| Self(value.to_owned()))
    }

    fn hash(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref().to_vec()
    }

    /// The token that requests which change something must carry. It follows from the cookie,
    /// which no other site can read.
    pub fn csrf_token(&self) -> String {
        let text = format!("csrf\0{}", self.0);
        BASE64.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
    }

    /// Whether a request that changes something comes from our own pages.
    pub fn vouches_for(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(CSRF_HEADER).map_or(&b""[..], |value| value.as_bytes());
        let foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        let expected = self.csrf_token();
        !foreign && constant_time::verify_slices_are_equal(sent, expected.as_bytes()).is_ok()
    }

    /// The value of `Set-Cookie` that makes a browser keep the cookie until it closes.
    pub(crate) fn to_header(&self, https: bool) -> String {
        set_cookie(&cookie_name(COOKIE_NAME, https), &self.0, None, https)
    }
}

/// The name of a cookie as browsers have it: over https with the prefix that binds it to the host.
pub(crate) fn cookie_name(name: &str, https: bool) -> String {
    if https { format!("{HOST_PREFIX}{name}") } else { name.to_owned() }
}

/// The value of a cookie of a request, if it has one.
pub(crate) fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name && !value.is_empty()).then_some(value)
    })
}

/// A cookie that scripts cannot read and that other sites' requests do not carry, but for links.
pub(crate) fn set_cookie(name: &str, value: &str, max_age: Option<u64>, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    let age = max_age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
}

/// The value of `Set-Cookie` that makes a browser forget its session.
pub(crate) fn forget_cookie(https: bool) -> String {
    set_cookie(&cookie_name(COOKIE_NAME, https), "", Some(0), https)
}

impl Auth {
    /// Begins a session for somebody who has just logged in. The cookie is always a new one.
    pub(crate) async fn begin_session(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
        origin: &Origin,
        id_token: Option<&str>,
    ) -> Result<Cookie> {
        let mut secret = [0; 32];
        randomness::fill(&mut secret)?;
        let cookie = Cookie(BASE64.encode(secret));
        let hash = cookie.hash();
        let agent = headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let context = sealing_context(principal.id);
        let seal = |token: &str| self.secret.seal(token.as_bytes(), &context);
        let now = self.clock.now();
        let new = Session {
            hash,
            principal: principal.id,
            epoch: principal.epoch,
            address: origin.address.to_string(),
            user_agent: agent.unwrap_or_default().chars().take(LONGEST_USER_AGENT).collect(),
            id_token: id_token.map(seal).transpose()?,
            created_at: now,
            expires_at: now.after(self.session_length().await?),
        };
        let mut tx = self.db.begin().await?;
        session::insert(&mut tx, &new).await?;
        let caller = Caller::principal(principal.clone(), "", origin.clone());
        let event = Event::of("user", &principal.name, "login");
        audit::record(&mut tx, caller.actor(), event, now).await?;
        tx.commit().await?;
        Ok(cookie)
    }

    async fn session_length(&self) -> Result<Duration> {
        let minutes = self.configuration().await?.number("session_timeout").max(1);
        Ok(Duration::from_secs(u64::try_from(minutes).unwrap_or(60).saturating_mul(60)))
    }

    /// The caller that a cookie stands for; anonymous when it stands for nobody any more.
    pub(crate) async fn session_caller(
        &self,
        headers: &HeaderMap,
        origin: Origin,
    ) -> Result<Caller> {
        let Some(found) = self.session_of(headers, &origin).await? else {
            return Ok(Caller::anonymous(origin));
        };
        let Some(principal) = self.still_known(&found, &origin).await? else {
            return Ok(Caller::anonymous(origin));
        };
        if headers.get(NO_RENEWAL).is_none_or(|value| value != "true") {
            self.renew_session(&found).await?;
        }
        Ok(holder(principal, found, origin))
    }

    /// Whose session it is, if the directory or the provider still knows them.
    async fn still_known(&self, found: &Session, origin: &Origin) -> Result<Option<Principal>> {
        if found.id_token.is_some() {
            match self.require_provider(found.principal).await {
                Err(Error::LoginEnded) => return Ok(None),
                known => known?,
            }
        }
        match self.current_principal(found.principal, found.epoch).await? {
            Some(principal) => self.looked_up_again(principal, origin, BELIEVED).await,
            None => Ok(None),
        }
    }

    /// As [`Self::session_caller`], for somebody who logs out: no directory and no provider is
    /// asked, and nothing renewed.
    pub(crate) async fn leaving_caller(
        &self,
        headers: &HeaderMap,
        origin: Origin,
    ) -> Result<Caller> {
        let Some(found) = self.session_of(headers, &origin).await? else {
            return Ok(Caller::anonymous(origin));
        };
        let principal = self.current_principal(found.principal, found.epoch).await?;
        Ok(match principal {
            Some(principal) => holder(principal, found, origin),
            None => Caller::anonymous(origin),
        })
    }

    async fn session_of(&self, headers: &HeaderMap, origin: &Origin) -> Result<Option<Session>> {
        let Some(cookie) = Cookie::of(headers, origin) else {
            return Ok(None);
        };
        let now = self.clock.now();
        Ok(session::find(&mut self.db.read().await?, &cookie.hash(), now).await?)
    }

    /// Moves the end of a session on; not at every request, each of which would be a write.
    async fn renew_session(&self, found: &Session) -> Result<()> {
        let length = self.session_length().await?;
        let until = self.clock.now().after(length);
        if found.expires_at.after(length / 10) > until {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        session::extend(&mut tx, &found.hash, until).await?;
        Ok(tx.commit().await?)
    }

    /// Ends the session that a caller came with; returns the OpenID provider's token of it.
    pub(crate) async fn end_session(&self, caller: &Caller) -> Result<Option<String>> {
        let (Some(hash), Some(id)) = (caller.session(), caller.id()) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let found = session::find(&mut self.db.read().await?, hash, now).await?;
        let sealed = found.and_then(|session| session.id_token);
        let mut tx = self.db.begin().await?;
        session::remove(&mut tx, hash).await?;
        let event = Event::of("user", caller.name(), "logout");
        audit::record(&mut tx, caller.actor(), event, now).await?;
        tx.commit().await?;
        let opened = sealed.map(|sealed| self.secret.open(&sealed, &sealing_context(id)));
        Ok(opened.transpose()?.and_then(|token| String::from_utf8(token).ok()))
    }

    /// Ends every session, registry token and refresh token of a person, on behalf of `by`, whose
    /// permission is checked by the caller. Personal access tokens stay; they are revoked one by
    /// one.
    pub async fn log_out_everywhere(&self, by: &Caller, id: PrincipalId) -> Result<()> {
        let found = principal::find(&mut self.db.read().await?, id).await?;
        let found = found.ok_or(Error::NotFound("user"))?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        principal::revoke(&mut tx, id, now).await?;
        oidc_login::doubt(&mut tx, id, now).await?;
        let event = Event::of("user", &found.name, "logout").described("everywhere");
        audit::record(&mut tx, by.actor(), event, now).await?;
        Ok(tx.commit().await?)
    }
}

fn holder(principal: Principal, found: Session, origin: Origin) -> Caller {
    let mut caller = Caller::principal(principal, "", origin);
    caller.session = Some(found.hash);
    caller
}

/// What binds a sealed token to its row.
pub(crate) fn sealing_context(id: PrincipalId) -> String {
    format!("session.id_token:{id}")
}
