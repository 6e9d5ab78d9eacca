//! Registry tokens: JSON Web Tokens (RFC 7519) that only this service reads.
//!
//! A token carries what was asked and granted, per repository, bound to the immutable ids of
//! principal, project and repository. Rights are looked up again with every request, so a token
//! can only narrow them.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header, Validation};
use roadstead_model::{Action, PrincipalId, ProjectId, RepositoryId, RepositoryName, Timestamp};
use roadstead_storage::tables::principal::Principal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::SERVICE;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::signing::{Keyring, Keys};

/// Who issues tokens; Harbor's name.
const ISSUER: &str = "harbor-token-issuer";
/// How long a token works, in seconds.
pub(crate) const LIFETIME: i64 = 600;
/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 60;
/// Longer tokens are refused unread.
const LONGEST: usize = 16 << 10;

/// What a token allows on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Granted; empty when what was asked was refused.
    pub(crate) actions: Vec<String>,
    /// The project's id when the token was issued.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) project: Option<ProjectId>,
    /// The repository's id when the token was issued; none when it did not exist yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) repository: Option<RepositoryId>,
}

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: String,
    /// None for anonymous callers; a token that leaves it out is none of ours.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) epoch: i64,
    /// The personal token that the principal came with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) via: Option<PrincipalId>,
    #[serde(default)]
    pub(crate) via_epoch: i64,
    /// The secret of a robot or a personal token that proved it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) secret: Option<i64>,
    pub(crate) access: Vec<Access>,
}

impl Claims {
    pub(crate) fn new(caller: &Caller, access: Vec<Access>, now: Timestamp) -> Self {
        let epoch = |principal: &Option<Arc<Principal>>| principal.as_ref().map_or(0, |p| p.epoch);
        Self {
            iss: ISSUER.to_owned(),
            sub: caller.name().to_owned(),
            aud: SERVICE.to_owned(),
            exp: now.seconds() + LIFETIME,
            nbf: now.seconds(),
            iat: now.seconds(),
            jti: Uuid::new_v4().simple().to_string(),
            principal: caller.id(),
            epoch: epoch(&caller.principal),
            via: caller.personal_token(),
            via_epoch: epoch(&caller.via),
            secret: caller.secret,
            access,
        }
    }

    /// What the token allows on a repository that is now at these ids. A re-created project or
    /// repository of the same name is another one.
    pub(crate) fn actions_on(
        &self,
        name: &RepositoryName,
        project: ProjectId,
        repository: Option<RepositoryId>,
    ) -> Vec<Action> {
        self.access
            .iter()
            .filter(|access| {
                access.kind == "repository"
                    && access.name == name.as_str()
                    && access.project == Some(project)
                    && (access.repository.is_none() || access.repository == repository)
            })
            .flat_map(|access| access.actions.iter().filter_map(|name| Action::named(name)))
            .collect()
    }

    /// When the token stops working.
    pub(crate) fn ends(&self) -> Timestamp {
        Timestamp::from_seconds(self.exp)
    }

    /// The repositories that the token names.
    pub(crate) fn repositories(&self) -> Vec<RepositoryName> {
        let named = self.access.iter().filter(|access| access.kind == "repository");
        named.filter_map(|access| access.name.parse().ok()).collect()
    }

    /// Whether the token allows listing repositories.
    pub(crate) fn allows_catalog(&self) -> bool {
        self.access.iter().any(|access| {
            access.kind == "registry" && access.name == "catalog" && !access.actions.is_empty()
        })
    }
}

/// The id of the key that a token says it was signed with.
fn key_id(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).ok()?.kid
}

impl Keyring {
    /// Signs claims with the newest key.
    pub(crate) async fn sign(&self, claims: &Claims) -> Result<String> {
        self.current().await?.sign(claims)
    }

    /// Verifies a token at the time `now`.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], whatever is wrong with it.
    pub(crate) async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        if token.len() > LONGEST {
            return Err(Error::InvalidToken);
        }
        self.knowing(key_id(token).as_deref()).await?.verify(token, now)
    }
}

impl Keys {
    /// Signs claims.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.current_id.clone());
        jsonwebtoken::encode(&header, claims, &self.current)
            .map_err(|_| Error::Crypto("a token could not be signed"))
    }

    /// Verifies a token at the time `now`. The header's `kid` is only looked up among our own
    /// keys; keys that a token brings along are ignored.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], whatever is wrong with it.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        if token.len() > LONGEST {
            return Err(Error::InvalidToken);
        }
        let key = key_id(token).and_then(|kid| self.trusted.get(&kid));
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[SERVICE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Times are compared below, with our own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims: Claims =
            jsonwebtoken::decode(token, key.ok_or(Error::InvalidToken)?, &validation)
                .map_err(|_| Error::InvalidToken)?
                .claims;
        let leeway = i64::try_from(LEEWAY).unwrap_or(0);
        let now = now.seconds();
        let valid = claims.nbf <= now.saturating_add(leeway)
            && claims.iat <= now.saturating_add(leeway)
            && claims.exp > now
            && claims.exp.saturating_sub(claims.iat) <= LIFETIME;
        if valid { Ok(claims) } else { Err(Error::InvalidToken) }
    }
}

#[cfg(test)]
mod tests;
