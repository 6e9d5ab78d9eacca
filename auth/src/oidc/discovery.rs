//! What a provider says about itself: its discovery document.

use reqwest::Url;
use serde::Deserialize;

use super::client::Http;
use super::error::{Error, Result};
use super::reach::Reach;

/// The endpoints of a provider, checked.
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) keys: Url,
    pub(super) userinfo: Option<Url>,
    pub(super) revocation: Option<Url>,
    pub(super) end_session: Option<Url>,
    /// The token endpoint takes the client's secret as Basic credentials, else in the form.
    pub(super) basic: bool,
    /// Callbacks carry the issuer (RFC 9207).
    pub(super) names_itself: bool,
}

/// The document as it is on the wire (Discovery section 3; RFC 8414, RFC 9207, RP-Initiated
/// Logout 1.0).
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Reads the document of `issuer`, which must name exactly the issuer that is configured.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::BadAnswer`].
pub(super) async fn fetch(http: &Http, issuer: &str, reach: &Reach) -> Result<Endpoints> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let address = Url::parse(&address).map_err(|_| Error::Settings("the endpoint is no URL"))?;
    reach.check(&address)?;
    let document: Document = http.get(&address, None).await?.json()?;
    document.check(issuer, reach)
}

impl Document {
    fn check(self, issuer: &str, reach: &Reach) -> Result<Endpoints> {
        if self.issuer != issuer {
            return Err(Error::BadAnswer(
                "it calls itself by another issuer than the configured endpoint; \
                 they must be the same to the last character",
            ));
        }
        let plain = issuer.starts_with("http://");
        let endpoint = |text: &str| {
            let url = Url::parse(text).map_err(|_| Error::BadAnswer("an endpoint is no URL"))?;
            if !(url.scheme() == "https" || plain && url.scheme() == "http") {
                return Err(Error::BadAnswer("an endpoint is not https, though the issuer is"));
            }
            if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
                return Err(Error::BadAnswer("an endpoint has credentials or a fragment"));
            }
            reach.check(&url)?;
            Ok(url)
        };
        let optional = |text: Option<String>| text.as_deref().map(endpoint).transpose();
        let methods = self.token_endpoint_auth_methods_supported;
        Ok(Endpoints {
            authorization: endpoint(&self.authorization_endpoint)?,
            token: endpoint(&self.token_endpoint)?,
            keys: endpoint(&self.jwks_uri)?,
            userinfo: optional(self.userinfo_endpoint)?,
            revocation: optional(self.revocation_endpoint)?,
            end_session: optional(self.end_session_endpoint)?,
            basic: takes_basic(methods.as_deref())?,
            names_itself: self.authorization_response_iss_parameter_supported,
        })
    }
}

/// Without a list a provider takes Basic credentials (Discovery section 3).
fn takes_basic(methods: Option<&[String]>) -> Result<bool> {
    let Some(methods) = methods else {
        return Ok(true);
    };
    let has = |method: &str| methods.iter().any(|known| known == method);
    match () {
        () if has("client_secret_basic") => Ok(true),
        () if has("client_secret_post") || has("none") => Ok(false),
        () => Err(Error::BadAnswer("it takes no client secrets")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://login.example.com/realm";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://login.example.com/auth?tenant=1",
            "token_endpoint": "https://api.example.net/token",
            "jwks_uri": "https://api.example.net/keys",
        })
    }

    fn check(document: Value) -> Result<Endpoints> {
        let reach = Reach::of(&Url::parse(ISSUER).unwrap());
        serde_json::from_value::<Document>(document).unwrap().check(ISSUER, &reach)
    }

    #[test]
    fn the_smallest_document_is_enough() {
        let endpoints = check(document()).unwrap();
        assert!(endpoints.basic && endpoints.userinfo.is_none() && !endpoints.names_itself);
    }

    #[test]
    fn the_issuer_is_compared_to_the_last_character() {
        for other in ["https://login.example.com/realm/", "https://LOGIN.example.com/realm", ""] {
            let mut document = document();
            document["issuer"] = json!(other);
            assert!(matches!(check(document), Err(Error::BadAnswer(_))), "{other}");
        }
    }

    #[test]
    fn endpoints_are_https_and_lead_nowhere_odd() {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
            for bad in [
                "http://login.example.com/x",
                "javascript:alert(1)",
                "file:///etc/passwd",
                "/token",
                "https://u:p@login.example.com/",
                "https://169.254.169.254/",
                "https://127.0.0.1/",
            ] {
                let mut document = document();
                document[name] = json!(bad);
                assert!(matches!(check(document), Err(Error::BadAnswer(_))), "{name} {bad}");
            }
        }
    }

    #[test]
    fn the_secret_goes_where_the_provider_takes_it() {
        let with = |methods: &[&str]| {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = json!(methods);
            check(document).map(|endpoints| endpoints.basic)
        };
        assert_eq!(with(&["client_secret_post", "client_secret_basic"]), Ok(true));
        assert_eq!(with(&["private_key_jwt", "client_secret_post"]), Ok(false));
        assert!(with(&["private_key_jwt"]).is_err());
    }
}
