//! The token service: what was asked, cut down to what is allowed.

use roadstead_model::{Action, Timestamp};
use roadstead_storage::tables::project;
use serde::Serialize;

use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::Result;
use crate::scope::{EVERYTHING, Scope};
use crate::token::{Access, Claims, LIFETIME};

/// How many bytes the entries of a token may take, and about how many each takes.
const LARGEST_ACCESS: usize = 8 << 10;
const ENTRY: usize = 100;

/// The answer of the token service (distribution's token and OAuth2 documents).
#[derive(Debug, Serialize)]
pub(crate) struct TokenAnswer {
    token: String,
    access_token: String,
    /// In seconds.
    expires_in: i64,
    /// RFC 3339.
    issued_at: String,
    /// What was granted; OAuth2 requires it.
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
}

impl Auth {
    /// Issues a token with the intersection of what is asked and what the caller may. Asking for
    /// too much is no error: it shows when the token is used.
    pub(crate) async fn issue_token(
        &self,
        caller: &Caller,
        scopes: &[Scope],
    ) -> Result<TokenAnswer> {
        let mut conn = self.db.read().await?;
        let mut access = Vec::with_capacity(scopes.len());
        for scope in scopes {
            access.push(granted(&mut conn, caller, scope).await?);
        }
        drop(conn);
        let now = self.clock.now();
        let granted = access.iter().map(text).collect::<Vec<_>>().join(" ");
        // What was refused needs no place in the token, which proxies want to be small.
        let mut room = LARGEST_ACCESS;
        access.retain(|access| {
            if access.actions.is_empty() {
                return false;
            }
            room = room.saturating_sub(ENTRY + access.name.len());
            room > 0
        });
        let token = self.keys.sign(&Claims::new(caller, access, now)).await?;
        Ok(TokenAnswer {
            access_token: token.clone(),
            token,
            expires_in: LIFETIME,
            issued_at: Timestamp(now.seconds() * 1_000_000).rfc3339(),
            scope: granted,
            refresh_token: None,
        })
    }
}

async fn granted(
    conn: &mut roadstead_storage::Conn,
    caller: &Caller,
    scope: &Scope,
) -> Result<Access> {
    let mut access = Access {
        kind: scope.kind.clone(),
        name: scope.name.clone(),
        actions: Vec::new(),
        project: None,
        repository: None,
    };
    match (scope.kind.as_str(), scope.name.parse()) {
        ("repository", Ok(name)) => {
            if let Some(place) = project::place(conn, &name).await? {
                let rights = caller.standing(conn, &name).await?;
                access.project = Some(place.project);
                access.repository = place.repository;
                let allowed = |action: &Action| rights.allows(*action);
                let asked = scope.repository_actions().into_iter();
                access.actions = asked.filter(allowed).map(|a| a.name().to_owned()).collect();
            }
        }
        // Everybody may list what they may pull.
        ("registry", _) if scope.name == "catalog" && scope.asks_for_everything() => {
            access.actions.push(EVERYTHING.to_owned());
        }
        _ => {}
    }
    Ok(access)
}

fn text(access: &Access) -> String {
    format!("{}:{}:{}", access.kind, access.name, access.actions.join(","))
}

#[cfg(test)]
mod tests;
