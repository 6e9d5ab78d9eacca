//! Whoever sent a request.

use std::sync::Arc;

use roadstead_model::{Origin, PrincipalId, RepositoryName, Timestamp};
use roadstead_storage::tables::Viewer;
use roadstead_storage::tables::audit::Actor;
use roadstead_storage::tables::principal::{Kind, Principal};
use roadstead_storage::tables::secret::Secret;

use crate::token::Claims;

/// Whoever sent a request, after their credentials were verified. Clones share what is known.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) principal: Option<Arc<Principal>>,
    /// The personal token that the principal came with; its bindings narrow what they may do.
    pub(crate) via: Option<Arc<Principal>>,
    /// The secret that proved it, of a robot, of the personal token or of the command line.
    pub(crate) secret: Option<i64>,
    /// When that secret stops working.
    secret_ends: Option<Timestamp>,
    /// The registry token that the request carried; it narrows what the principal may do.
    pub(crate) token: Option<Arc<Claims>>,
    /// Whether it was the secret of an OpenID person's command line.
    pub(crate) cli_secret: bool,
    /// The hash of the cookie of a browser's session.
    pub(crate) session: Option<Vec<u8>>,
    pub(crate) origin: Origin,
    /// The name as the audit log has it.
    label: Arc<str>,
}

/// What a personal token's name follows in the audit log.
const VIA: &str = " via token ";

impl Caller {
    /// A caller without any credentials.
    pub fn anonymous(origin: Origin) -> Self {
        Self {
            principal: None,
            via: None,
            secret: None,
            secret_ends: None,
            token: None,
            cli_secret: false,
            session: None,
            origin,
            label: "anonymous".into(),
        }
    }

    /// A principal; `robot_prefix` is what robots' names begin with.
    pub(crate) fn principal(principal: Principal, robot_prefix: &str, origin: Origin) -> Self {
        let label = match principal.kind {
            Kind::Robot => format!("{robot_prefix}{}", principal.name),
            _ => principal.name.clone(),
        };
        let principal = Some(Arc::new(principal));
        Self { principal, label: label.into(), ..Self::anonymous(origin) }
    }

    /// The same, with another request.
    pub(crate) fn coming_from(&self, origin: Origin) -> Self {
        Self {
            principal: self.principal.clone(),
            via: self.via.clone(),
            secret: self.secret,
            secret_ends: self.secret_ends,
            token: self.token.clone(),
            cli_secret: self.cli_secret,
            session: self.session.clone(),
            origin,
            label: self.label.clone(),
        }
    }

    /// The same, narrowed by a personal token.
    pub(crate) fn through(mut self, token: impl Into<Arc<Principal>>) -> Self {
        let token = token.into();
        let name = token.name.split_once('/').map_or("", |(_owner, name)| name);
        self.label = format!("{}{VIA}{name}", self.label).into();
        self.via = Some(token);
        self
    }

    /// The same, proved by a secret.
    pub(crate) fn proven_by(mut self, secret: &Secret) -> Self {
        self.secret = Some(secret.id);
        self.secret_ends = secret.expires_at;
        self
    }

    /// When what the caller came with stops working by itself.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        let of = |principal: &Option<Arc<Principal>>| principal.as_ref().and_then(|p| p.expires_at);
        let token = self.token.as_ref().map(|token| token.ends());
        [of(&self.principal), of(&self.via), self.secret_ends, token].into_iter().flatten().min()
    }

    /// The principal's id; None when anonymous.
    pub fn id(&self) -> Option<PrincipalId> {
        self.principal.as_ref().map(|principal| principal.id)
    }

    /// The name that the caller logged in with; empty when anonymous.
    pub fn name(&self) -> &str {
        if self.principal.is_none() {
            return "";
        }
        self.label.split_once(VIA).map_or(&*self.label, |(name, _)| name)
    }

    /// Whether the request carried no credentials at all. An anonymous token is a credential.
    pub fn without_credentials(&self) -> bool {
        self.principal.is_none() && self.token.is_none()
    }

    /// Whether the principal is a system administrator, whatever a personal token leaves of that.
    pub fn is_sysadmin(&self) -> bool {
        self.principal.as_ref().is_some_and(|principal| principal.sysadmin)
    }

    /// Whether it is a person who brought their own credentials, and no token of theirs.
    pub fn is_person(&self) -> bool {
        self.via.is_none() && self.principal.as_ref().is_some_and(|p| p.kind == Kind::User)
    }

    /// Whether it is a robot.
    pub fn is_robot(&self) -> bool {
        self.principal.as_ref().is_some_and(|principal| principal.kind == Kind::Robot)
    }

    /// The personal token that the caller came with.
    pub fn personal_token(&self) -> Option<PrincipalId> {
        self.via.as_ref().map(|via| via.id)
    }

    /// The hash of the cookie of the browser's session that the request belongs to.
    pub fn session(&self) -> Option<&[u8]> {
        self.session.as_deref()
    }

    /// Whether the caller came with the secret of an OpenID person's command line, which is for
    /// programs that push and pull.
    pub fn came_with_cli_secret(&self) -> bool {
        self.cli_secret
    }

    /// Where the request came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the caller came with a token that does not include the catalog.
    pub fn token_lacks_catalog(&self) -> bool {
        self.token.as_ref().is_some_and(|token| !token.allows_catalog())
    }

    /// The repositories that the caller's token names; None without a token.
    pub fn repositories_of_token(&self) -> Option<Vec<RepositoryName>> {
        self.token.as_ref().map(|token| token.repositories())
    }

    /// Whose lists the caller sees.
    pub fn viewer(&self) -> Viewer {
        Viewer { everything: self.is_sysadmin(), principal: self.id(), via: self.personal_token() }
    }

    /// The caller as the audit log names it.
    pub fn actor(&self) -> Actor<'_> {
        Actor { principal: self.id(), name: &self.label, origin: &self.origin }
    }
}
