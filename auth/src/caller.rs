//! Whoever sent a request.

use roadstead_model::{Origin, PrincipalId, RepositoryName};
use roadstead_storage::tables::audit::Actor;
use roadstead_storage::tables::principal::Principal;
use roadstead_storage::tables::project::Viewer;

use crate::token::Claims;

/// Whoever sent a request, after their credentials were verified.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) principal: Option<Principal>,
    /// The token that the request carried; it narrows what the principal may do.
    pub(crate) token: Option<Claims>,
    pub(crate) origin: Origin,
}

impl Caller {
    /// A caller without any credentials.
    pub fn anonymous(origin: Origin) -> Self {
        Self { principal: None, token: None, origin }
    }

    /// The principal's id; None when anonymous.
    pub fn id(&self) -> Option<PrincipalId> {
        self.principal.as_ref().map(|principal| principal.id)
    }

    /// The principal's name; empty when anonymous.
    pub fn name(&self) -> &str {
        self.principal.as_ref().map_or("", |principal| principal.name.as_str())
    }

    /// Whether the request carried no credentials at all. An anonymous token is a credential.
    pub fn without_credentials(&self) -> bool {
        self.principal.is_none() && self.token.is_none()
    }

    /// Whether the principal is a system administrator.
    pub fn is_sysadmin(&self) -> bool {
        self.principal.as_ref().is_some_and(|principal| principal.sysadmin)
    }

    /// Whether the caller came with a token that does not include the catalog.
    pub fn token_lacks_catalog(&self) -> bool {
        self.token.as_ref().is_some_and(|token| !token.allows_catalog())
    }

    /// The repositories that the caller's token names; None without a token.
    pub fn repositories_of_token(&self) -> Option<Vec<RepositoryName>> {
        self.token.as_ref().map(Claims::repositories)
    }

    /// Whose lists the caller sees.
    pub fn viewer(&self) -> Viewer {
        match &self.principal {
            Some(principal) if principal.sysadmin => Viewer::Everything,
            Some(principal) => Viewer::Principal(principal.id),
            None => Viewer::Anonymous,
        }
    }

    /// The caller as the audit trail names it.
    pub fn actor(&self) -> Actor<'_> {
        let name = if self.principal.is_some() { self.name() } else { "anonymous" };
        Actor { principal: self.id(), name, origin: &self.origin }
    }
}
