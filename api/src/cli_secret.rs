//! The secret of the command line of people who log in at an OpenID provider.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, State};
use http::{Method, StatusCode};
use roadstead_auth::{Caller, OidcMeta};
use roadstead_model::{Action, PrincipalId, Resource};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;
use crate::{Api, BASE};

pub(crate) fn register(routes: &mut Routes) {
    let own = Access::SelfOr(permission(Resource::User, Action::Update));
    let summary = "Replace the CLI secret of a person of the OIDC provider";
    let description = Description::new("setCliSecret", "user", summary);
    let path = "/users/{user_id}/cli_secret";
    routes
        .add(&Method::PUT, path, own, replace, description)
        .accepts::<OidcCliSecretReq>()
        .fails(&[412]);
}

/// Harbor's `OIDCCliSecretReq`; without a secret, one is generated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = OIDCCliSecretReq)]
#[schema(example = json!({"secret": ""}))]
struct OidcCliSecretReq {
    #[serde(deserialize_with = "null_as_default")]
    secret: String,
}

/// Harbor's `OIDCUserInfo`.
#[derive(Serialize, ToSchema)]
#[schema(as = OIDCUserInfo)]
pub(crate) struct OidcUserInfo {
    id: i64,
    user_id: i64,
    subiss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    creation_time: String,
    update_time: String,
}

impl From<OidcMeta> for OidcUserInfo {
    fn from(meta: OidcMeta) -> Self {
        Self {
            id: meta.user.0,
            user_id: meta.user.0,
            subiss: meta.subiss,
            secret: meta.secret,
            creation_time: meta.created_at.rfc3339(),
            update_time: meta.updated_at.rfc3339(),
        }
    }
}

async fn replace(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
    Body(request): Body<OidcCliSecretReq>,
) -> Result<StatusCode, Failure> {
    let id = PrincipalId(number(&path, "user_id")?);
    api.auth.set_cli_secret(&caller, id, &request.secret).await?;
    Ok(StatusCode::OK)
}

/// Whether a CLI secret is enough for a request: what Harbor lets its command lines do. Whoever has
/// copied it from a file of docker's changes no account with it and makes no tokens.
pub(crate) fn opens(method: &Method, path: &str) -> bool {
    let path = path.strip_prefix(BASE).unwrap_or_default().trim_end_matches('/');
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let segments = segments.as_slice();
    match method.as_str() {
        "GET" => matches!(
            segments,
            ["projects" | "labels" | "systeminfo" | "ping" | "health"]
                | ["projects", _, "repositories"]
                | ["projects", _, "repositories", _, "artifacts"]
        ),
        "HEAD" | "POST" => matches!(segments, ["projects"]),
        "DELETE" => {
            matches!(segments, ["projects", _, "repositories", _, "artifacts", _, "tags", _])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cli_secret_opens_what_command_lines_need_and_no_account() {
        let opens = |method: Method, path: &str| opens(&method, &format!("{BASE}{path}"));
        for path in ["/projects", "/projects/1/repositories", "/systeminfo"] {
            assert!(opens(Method::GET, path), "{path}");
        }
        assert!(opens(Method::GET, "/projects/a/repositories/b%2Fc/artifacts"));
        assert!(opens(Method::DELETE, "/projects/a/repositories/b/artifacts/c/tags/v1"));
        assert!(!opens(Method::DELETE, "/projects/a/repositories/b/artifacts/c"));
        for path in ["", "/", "/users/current", "/users/1", "/projects/1", "/projects/1/members"] {
            assert!(!opens(Method::GET, path), "{path}");
        }
        for path in ["/users/1/cli_secret", "/users/1/password", "/projects/1"] {
            assert!(!opens(Method::PUT, path), "{path}");
        }
    }
}
