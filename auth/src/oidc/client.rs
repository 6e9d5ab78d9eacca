//! Requests to the provider: bounded in time and size, and never redirected.

use std::error::Error as _;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::error::{Error, Result};
use super::reach::Reach;
use super::settings::Settings;

/// How long a request may take, with its answer.
const TOTAL: Duration = Duration::from_secs(10);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// Talks to one provider.
pub(super) struct Http {
    client: Client,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: Vec<u8>,
}

impl Http {
    /// A client with the settings' certificates. Proxies in the environment are for other
    /// programs and are not used.
    pub(super) fn new(settings: &Settings, reach: Reach) -> Result<Self> {
        let mut builder = Client::builder()
            .timeout(TOTAL)
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(reach)
            .user_agent(concat!("roadstead/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &settings.ca_certificate {
            let unreadable = Error::Settings("the CA certificate is no certificate in PEM");
            let trusted = Certificate::from_pem_bundle(pem.as_bytes());
            let trusted = trusted.ok().filter(|trusted| !trusted.is_empty()).ok_or(unreadable)?;
            builder = builder.tls_certs_merge(trusted);
        }
        if !settings.verify_cert {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        let client = builder.build().map_err(|error| {
            tracing::warn!(error = causes(&error), "no client for the OIDC provider");
            Error::Settings("TLS cannot be set up: are there CA certificates on this machine?")
        })?;
        Ok(Self { client })
    }

    /// GET, with an access token or without.
    pub(super) async fn get(&self, url: &Url, access_token: Option<&str>) -> Result<Answer> {
        let mut request = self.client.get(url.clone());
        if let Some(token) = access_token {
            request = request.bearer_auth(token);
        }
        send(request, url).await
    }

    /// POST of a form, with a name and a password or without (RFC 6749 section 2.3.1).
    pub(super) async fn post(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        client: Option<(&str, &str)>,
    ) -> Result<Answer> {
        let mut request = self.client.post(url.clone()).form(form);
        if let Some((id, secret)) = client {
            request = request.basic_auth(encoded(id), Some(encoded(secret)));
        }
        send(request, url).await
    }
}

impl Answer {
    /// The JSON of an answer that must be a 200.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if self.status != StatusCode::OK {
            return Err(self.unexpected());
        }
        self.error_json().ok_or(Error::BadAnswer("its JSON is not what the specification says"))
    }

    /// The JSON of any answer, if it is that.
    pub(super) fn error_json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The error for a status that is not the expected one.
    pub(super) fn unexpected(&self) -> Error {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => Error::Unavailable("it asks for fewer requests"),
            status if status.is_server_error() => Error::Unavailable("it has an error of its own"),
            status if status.is_redirection() => {
                Error::BadAnswer("an endpoint redirects, which is not followed")
            }
            _ => Error::BadAnswer("an endpoint answers with an unexpected status"),
        }
    }
}

/// Id and secret are form-encoded before they become Basic credentials.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn send(request: RequestBuilder, url: &Url) -> Result<Answer> {
    let request = request.header("accept", "application/json");
    let mut response = request.send().await.map_err(|error| unavailable(&error, url))?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| unavailable(&error, url))? {
        if body.len() + piece.len() > LARGEST {
            return Err(Error::BadAnswer("it is larger than 1 MiB"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer { status: response.status(), body })
}

/// The caller learns the kind only: whoever may set a URL is not told what else listens there.
/// The log has the causes.
fn unavailable(error: &reqwest::Error, url: &Url) -> Error {
    let host = url.host_str().unwrap_or_default();
    tracing::warn!(host, error = causes(error), "the OIDC provider did not answer");
    Error::Unavailable(if error.is_timeout() {
        "it did not answer in time"
    } else {
        "the connection failed"
    })
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(if text.is_empty() { "" } else { ": " });
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
