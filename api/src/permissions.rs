//! The catalogue of permissions.

use axum::extract::State;
use axum::{Extension, Json};
use http::Method;
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{Action, Permission, catalogue};
use roadstead_storage::tables::rights;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::body::null_as_default;
use crate::failure::Failure;
use crate::guard::{Access, Routes};
use crate::openapi::Description;

pub(crate) fn register(routes: &mut Routes) {
    let summary = "List what robots, personal tokens and roles can be given";
    let description = Description::new("getPermissions", "permissions", summary);
    routes
        .add(&Method::GET, "/permissions", Access::Login, get, description)
        .answers::<Permissions>();
}

/// Harbor's `Permission`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[schema(as = Permission)]
#[serde(default)]
pub(crate) struct PermissionAnswer {
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) resource: String,
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) action: String,
}

impl PermissionAnswer {
    pub(crate) fn new(resource: String, action: Action) -> Self {
        Self { resource, action: action.name().to_owned() }
    }

    pub(crate) fn list(permissions: &[Permission]) -> Vec<Self> {
        let answer = |p: &Permission| Self::new(p.resource.name().to_owned(), p.action);
        permissions.iter().map(answer).collect()
    }
}

/// Harbor's `Permissions`; what roles can be made of is ours.
#[derive(Serialize, ToSchema)]
struct Permissions {
    /// None unless an administrator asks.
    #[schema(required = true)]
    system: Option<Vec<PermissionAnswer>>,
    project: Vec<PermissionAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Vec<PermissionAnswer>>,
}

async fn get(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Permissions>, Failure> {
    let id = caller.require_login().map_err(Failure::refused)?;
    let sysadmin = caller.is_sysadmin();
    let mut conn = api.db.read().await?;
    if !sysadmin && (caller.is_robot() || !rights::administers_a_project(&mut conn, id).await?) {
        return Err(Failure::refused(Refusal::Denied));
    }
    Ok(Json(Permissions {
        system: sysadmin.then(|| PermissionAnswer::list(&catalogue::system())),
        project: PermissionAnswer::list(&catalogue::project()),
        role: sysadmin.then(|| PermissionAnswer::list(&catalogue::of_roles())),
    }))
}
