//! Challenges: where a client gets the token that it lacks (distribution's token specification).

use http::header::HOST;
use http::request::Parts;
use roadstead_auth::SERVICE;
use roadstead_model::{Action, Origin, RepositoryName};

use super::endpoint::Operation;

/// The server as the client knows it.
pub(super) struct Site {
    https: bool,
    host: String,
}

impl Site {
    /// From the request's own host, so that a client which reached us is sent to the same place.
    /// A host with characters that no host has is not repeated.
    pub(super) fn of(request: &Parts) -> Option<Self> {
        let https = request.extensions.get::<Origin>().is_some_and(|origin| origin.https);
        let header = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = request.uri.authority().map(http::uri::Authority::as_str).or(header)?;
        let plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        (!host.is_empty() && host.chars().all(plain)).then(|| Self { https, host: host.to_owned() })
    }
}

/// What a client has to ask for.
#[derive(Debug)]
pub(super) struct Challenge {
    scopes: Vec<String>,
    error: Option<&'static str>,
}

impl Challenge {
    /// For an operation; `insufficient` makes clients fetch a wider token than the one they have.
    pub(super) fn of(operation: &Operation, insufficient: bool) -> Self {
        Self::with_error(operation, insufficient.then_some("insufficient_scope"))
    }

    pub(super) fn with_error(operation: &Operation, error: Option<&'static str>) -> Self {
        let scopes = match operation {
            Operation::Base => Vec::new(),
            Operation::Catalog => vec!["registry:catalog:*".to_owned()],
            _ => operation
                .permission()
                .map(|(name, action)| scope(name, action))
                .into_iter()
                .collect(),
        };
        Self { scopes, error }
    }

    /// Asks for the source of a mount as well.
    pub(super) fn and_pull(mut self, source: &RepositoryName) -> Self {
        self.scopes.push(scope(source, Action::Pull));
        self
    }

    /// The value of `WWW-Authenticate`: exactly one challenge, every value quoted.
    pub(super) fn text(&self, site: &Site) -> String {
        let scheme = if site.https { "https" } else { "http" };
        let mut text = format!(
            "Bearer realm=\"{scheme}://{}/service/token\",service=\"{SERVICE}\"",
            site.host
        );
        if !self.scopes.is_empty() {
            text.push_str(&format!(",scope=\"{}\"", self.scopes.join(" ")));
        }
        if let Some(error) = self.error {
            text.push_str(&format!(",error=\"{error}\""));
        }
        text
    }
}

fn scope(name: &RepositoryName, action: Action) -> String {
    // Whoever pushes looks first whether it is there.
    let actions = if action == Action::Push { "pull,push" } else { action.name() };
    format!("repository:{name}:{actions}")
}
