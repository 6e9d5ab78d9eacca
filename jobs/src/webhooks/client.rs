//! Requests to targets: bounded in time, to allowed addresses, and redirected with care.

use std::error::Error as _;
use std::time::Duration;

use http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use reqwest::Url;
use reqwest::redirect::Policy;

use super::reach::{NotAllowed, Reach};

/// How often a request may be sent elsewhere.
const HOPS: usize = 5;

/// Why nobody was told. The texts are for whoever chose the address, and say nothing of what was
/// answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the address is no URL with http or https")]
    Address,
    #[error(
        "the address is in no network that webhooks may reach; the operator of the registry \
         allows others (ROADSTEAD_WEBHOOK_NETWORKS)"
    )]
    NotAllowed,
    #[error("it redirects with {0}, which would lose the content; 307 and 308 are followed")]
    Redirect(u16),
    #[error("it redirects from https to http, or to no URL")]
    Downgrade,
    #[error("it redirects more than {HOPS} times")]
    Hops,
    #[error("it answered {0}")]
    Status(u16, Option<Duration>),
    #[error("it did not answer in time")]
    Timeout,
    #[error("the connection failed")]
    Connection,
}

impl Trouble {
    /// Whether the same will happen again until somebody changes something.
    pub(super) const fn is_lasting(&self) -> bool {
        matches!(self, Self::Address | Self::NotAllowed | Self::Redirect(_) | Self::Downgrade)
    }

    /// How long the target wants to be left alone.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(_, wait) => *wait,
            _ => None,
        }
    }
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// Sends messages.
pub(super) struct Client {
    reach: Reach,
    /// Wants certificates that the system trusts.
    strict: reqwest::Client,
    /// Takes any certificate.
    lax: reqwest::Client,
}

impl Client {
    /// Proxies in the environment are for other programs and are not used: behind one, no address
    /// could be checked.
    pub(super) fn new(reach: Reach, timeout: Duration) -> reqwest::Result<Self> {
        let builder = || {
            reqwest::Client::builder()
                .timeout(timeout)
                .connect_timeout(timeout)
                .redirect(Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(1)
                .dns_resolver(reach.clone())
                .user_agent(concat!("roadstead/", env!("CARGO_PKG_VERSION")))
        };
        let strict = builder().build()?;
        let lax = builder().tls_danger_accept_invalid_certs(true).build()?;
        Ok(Self { reach, strict, lax })
    }

    /// Sends a message, and says which status it was taken with.
    pub(super) async fn send(
        &self,
        address: &str,
        any_certificate: bool,
        mut message: Message,
    ) -> Result<u16, Trouble> {
        let client = if any_certificate { &self.lax } else { &self.strict };
        let mut url = Url::parse(address).map_err(|_| Trouble::Address)?;
        for _ in 0..=HOPS {
            if !matches!(url.scheme(), "http" | "https") {
                return Err(Trouble::Address);
            }
            self.reach.check(&url).map_err(|NotAllowed| Trouble::NotAllowed)?;
            let request = client.post(url.clone()).headers(message.headers.clone());
            let answer = request.body(message.body.clone()).send().await;
            let answer = answer.map_err(|error| trouble(&error, &url))?;
            let status = answer.status();
            if status.is_success() {
                return Ok(status.as_u16());
            }
            if !status.is_redirection() {
                return Err(Trouble::Status(status.as_u16(), retry_after(&answer)));
            }
            let next = elsewhere(&url, status, answer.headers())?;
            if next.origin() != url.origin() {
                message.headers.remove(AUTHORIZATION);
            }
            url = next;
        }
        Err(Trouble::Hops)
    }
}

/// Where a redirect leads.
fn elsewhere(from: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Url, Trouble> {
    if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        return Err(Trouble::Redirect(status.as_u16()));
    }
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| from.join(location).ok());
    match next {
        Some(next) if from.scheme() != "https" || next.scheme() == "https" => Ok(next),
        _ => Err(Trouble::Downgrade),
    }
}

/// In seconds; of a date it is not worth the trouble.
fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.trim().parse().ok()?;
    busy.contains(&answer.status()).then_some(Duration::from_secs(seconds))
}

/// The server's log has the causes, and of the address only the host: the rest may be a secret.
fn trouble(error: &reqwest::Error, url: &Url) -> Trouble {
    let mut causes = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<NotAllowed>().is_some() {
            return Trouble::NotAllowed;
        }
        causes.push_str(if causes.is_empty() { "" } else { ": " });
        causes.push_str(&error.to_string());
        cause = error.source();
    }
    let host = url.host_str().unwrap_or_default();
    tracing::info!(host, error = causes, "a webhook was not delivered");
    if error.is_timeout() { Trouble::Timeout } else { Trouble::Connection }
}

#[cfg(test)]
mod tests;
