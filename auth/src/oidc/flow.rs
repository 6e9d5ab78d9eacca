//! The two ends of a browser's login: what goes into the session, and what comes back.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result, shown};
use super::settings::Settings;
use crate::randomness;

/// A login that was begun.
pub struct Begin {
    /// Where the browser goes.
    pub url: Url,
    /// Kept in the browser's session, on the server's side, until the browser comes back.
    pub pending: Pending,
}

/// What a login must be finished with. The secrets are of 256 random bits each.
#[derive(Serialize, Deserialize)]
pub struct Pending {
    issuer: String,
    state: String,
    nonce: String,
    pub(super) pkce_verifier: String,
}

/// What the browser brings back: the query of the callback (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Default)]
pub struct Callback {
    code: Option<String>,
    state: Option<String>,
    issuer: Option<String>,
    error: Option<String>,
}

impl Callback {
    /// Reads the query of a callback.
    ///
    /// # Errors
    /// [`Error::ForeignCallback`] when a parameter comes twice.
    pub fn parse(query: &str) -> Result<Self> {
        let mut callback = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "code" => &mut callback.code,
                "state" => &mut callback.state,
                "iss" => &mut callback.issuer,
                "error" => &mut callback.error,
                _ => continue,
            };
            if field.replace(value.into_owned()).is_some() {
                return Err(Error::ForeignCallback("a parameter is repeated"));
            }
        }
        Ok(callback)
    }
}

impl Pending {
    pub(super) fn new(issuer: &str) -> Result<Self> {
        Ok(Self {
            issuer: issuer.to_owned(),
            state: random()?,
            nonce: random()?,
            pkce_verifier: random()?,
        })
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The address of the provider's login page (Core section 3.1.2.1, RFC 7636).
    pub(super) fn authorization_url(&self, endpoint: &Url, settings: &Settings) -> Url {
        let challenge = digest::digest(&digest::SHA256, self.pkce_verifier.as_bytes());
        let mut url = endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &settings.redirect_url)
            .append_pair("scope", &settings.scopes())
            .append_pair("state", &self.state)
            .append_pair("nonce", &self.nonce)
            .append_pair("code_challenge", &BASE64.encode(challenge))
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(&settings.extra_redirect_params);
        url
    }

    /// The code of a callback that answers this login and no other.
    pub(super) fn code<'a>(
        &self,
        callback: &'a Callback,
        issuer: &str,
        must_name_issuer: bool,
    ) -> Result<&'a str> {
        let state = callback.state.as_deref().unwrap_or_default();
        verify_slices_are_equal(state.as_bytes(), self.state.as_bytes())
            .map_err(|_| Error::ForeignCallback("its state is not the one of this session"))?;
        if self.issuer != issuer {
            return Err(Error::ForeignCallback("the provider was changed in between"));
        }
        match callback.issuer.as_deref() {
            Some(named) if named != issuer => {
                return Err(Error::ForeignCallback("it is from another provider"));
            }
            None if must_name_issuer => {
                return Err(Error::ForeignCallback("it does not name the provider"));
            }
            _ => {}
        }
        if let Some(error) = &callback.error {
            return Err(Error::Refused(shown(error)));
        }
        let code = callback.code.as_deref().filter(|code| !code.is_empty());
        code.ok_or(Error::ForeignCallback("it brings no code"))
    }
}

/// 256 random bits in base64url, which is also the form of a PKCE verifier.
fn random() -> Result<String> {
    let mut bytes = [0; 32];
    randomness::fill(&mut bytes).map_err(|_| Error::Crypto("no randomness"))?;
    Ok(BASE64.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.example.com";

    fn code(pending: &Pending, query: &str) -> Result<String> {
        pending.code(&Callback::parse(query)?, ISSUER, false).map(str::to_owned)
    }

    #[test]
    fn a_callback_answers_its_own_login_only() {
        let pending = Pending::new(ISSUER).unwrap();
        let state = &pending.state;
        assert_eq!(code(&pending, &format!("code=c&state={state}")).unwrap(), "c");
        assert_eq!(code(&pending, &format!("code=c&state={state}&iss={ISSUER}&x=1")).unwrap(), "c");
        for foreign in [
            String::new(),
            "code=c".to_owned(),
            "code=c&state=".to_owned(),
            format!("code=c&state={state}x"),
            format!("code=c&state={}", Pending::new(ISSUER).unwrap().state),
            format!("code=c&state=x&state={state}"),
            format!("code=c&code=d&state={state}"),
            format!("code=&state={state}"),
            format!("state={state}"),
            format!("code=c&state={state}&iss=https://evil.example"),
        ] {
            let refused = code(&pending, &foreign);
            assert!(matches!(refused, Err(Error::ForeignCallback(_))), "{foreign}: {refused:?}");
        }
        let callback = Callback::parse(&format!("code=c&state={state}")).unwrap();
        assert!(pending.code(&callback, ISSUER, true).is_err(), "RFC 9207");
        assert!(pending.code(&callback, "https://other.example", false).is_err());
    }

    #[test]
    fn an_error_of_the_provider_is_shown_without_anything_that_it_echoes() {
        let pending = Pending::new(ISSUER).unwrap();
        let with = |error: &str| code(&pending, &format!("error={error}&state={}", pending.state));
        assert_eq!(with("access_denied"), Err(Error::Refused("access_denied".to_owned())));
        let markup = Err(Error::Refused("unknown error".to_owned()));
        assert_eq!(with("%3Cscript%3Ealert(1)"), markup);
    }

    #[test]
    fn no_two_logins_share_a_secret() {
        let pendings: Vec<Pending> = (0..100).map(|_| Pending::new(ISSUER).unwrap()).collect();
        let secrets = pendings.iter().flat_map(|p| [&p.state, &p.nonce, &p.pkce_verifier]);
        let distinct: std::collections::HashSet<&String> = secrets.collect();
        assert_eq!(distinct.len(), 300);
        assert!(distinct.iter().all(|secret| secret.len() == 43));
    }

    #[test]
    fn the_authorization_request_carries_what_protects_it() {
        let mut settings = Settings::new(ISSUER, "registry", "s", "https://here/c/oidc/callback");
        settings.extra_redirect_params.insert("prompt".to_owned(), "consent now".to_owned());
        let mut pending = Pending::new(ISSUER).unwrap();
        // RFC 7636 appendix B.
        pending.pkce_verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let endpoint = Url::parse("https://login.example.com/auth?tenant=1").unwrap();
        let url = pending.authorization_url(&endpoint, &settings);
        let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let expected = [
            ("tenant", "1"),
            ("response_type", "code"),
            ("client_id", "registry"),
            ("redirect_uri", "https://here/c/oidc/callback"),
            ("scope", "openid"),
            ("state", &pending.state),
            ("nonce", &pending.nonce),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("prompt", "consent now"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(query, expected.into());
    }
}
