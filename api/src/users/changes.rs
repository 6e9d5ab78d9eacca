//! Changes of an account.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, State};
use http::{Method, StatusCode};
use roadstead_auth::accounts::Profile;
use roadstead_auth::{Caller, Error as AuthError};
use roadstead_model::{Action, PrincipalId, Resource};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Api;
use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;

pub(super) fn register(routes: &mut Routes) {
    let update = permission(Resource::User, Action::Update);
    let (own, system) = (Access::SelfOr(update), Access::System(update));
    let delete = Access::System(permission(Resource::User, Action::Delete));
    let about = |id, summary| Description::new(id, "user", summary);
    let description = about("updateUserProfile", "Change what an account says of its person");
    routes
        .add(&Method::PUT, "/users/{user_id}", own, update_profile, description)
        .accepts::<UserProfile>()
        .fails(&[409]);
    let description = about("deleteUser", "Delete an account");
    routes.add(&Method::DELETE, "/users/{user_id}", delete, remove, description).fails(&[412]);
    let description = about("setUserSysAdmin", "Make somebody an administrator, or end that");
    routes
        .add(&Method::PUT, "/users/{user_id}/sysadmin", system, set_sysadmin, description)
        .accepts::<UserSysAdminFlag>()
        .fails(&[412]);
    let description = about("setUserDisabled", "Disable an account, or enable it again");
    routes
        .add(&Method::PUT, "/users/{user_id}/disabled", system, set_disabled, description)
        .accepts::<UserDisabled>()
        .fails(&[412]);
    let description = about("updateUserPassword", "Change a password");
    routes
        .add(&Method::PUT, "/users/{user_id}/password", own, change_password, description)
        .accepts::<PasswordReq>();
}

/// Harbor's `UserProfile`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"email": "alice@example.com", "realname": "Alice", "comment": ""}))]
struct UserProfile {
    #[serde(deserialize_with = "null_as_default")]
    email: String,
    #[serde(deserialize_with = "null_as_default")]
    realname: String,
    #[serde(deserialize_with = "null_as_default")]
    comment: String,
}

/// Harbor's `UserSysAdminFlag`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"sysadmin_flag": false}))]
struct UserSysAdminFlag {
    #[serde(deserialize_with = "null_as_default")]
    sysadmin_flag: bool,
}

/// Whether an account is disabled.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"disabled": false}))]
struct UserDisabled {
    disabled: bool,
}

/// Harbor's `PasswordReq`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"old_password": "Correct-Horse-1", "new_password": "Correct-Horse-2"}))]
struct PasswordReq {
    #[serde(deserialize_with = "null_as_default")]
    old_password: String,
    #[serde(deserialize_with = "null_as_default")]
    new_password: String,
}

fn principal(path: &HashMap<String, String>) -> Result<PrincipalId, Failure> {
    number(path, "user_id").map(PrincipalId)
}

async fn update_profile(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
    Body(to): Body<UserProfile>,
) -> Result<StatusCode, Failure> {
    let profile = Profile { email: to.email, realname: to.realname, comment: to.comment };
    api.auth.update_profile(&caller, principal(&path)?, &profile).await?;
    Ok(StatusCode::OK)
}

async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    api.auth.delete_user(&caller, principal(&path)?).await?;
    Ok(StatusCode::OK)
}

async fn set_sysadmin(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
    Body(to): Body<UserSysAdminFlag>,
) -> Result<StatusCode, Failure> {
    api.auth.set_sysadmin(&caller, principal(&path)?, to.sysadmin_flag).await?;
    Ok(StatusCode::OK)
}

async fn set_disabled(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
    Body(to): Body<UserDisabled>,
) -> Result<StatusCode, Failure> {
    api.auth.set_disabled(&caller, principal(&path)?, to.disabled).await?;
    Ok(StatusCode::OK)
}

async fn change_password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
    Body(to): Body<PasswordReq>,
) -> Result<StatusCode, Failure> {
    let (id, old, new) = (principal(&path)?, &to.old_password, &to.new_password);
    match api.auth.change_password(&caller, id, old, new).await {
        Err(AuthError::BadCredentials) => {
            Err(Failure::forbidden("the old password is not correct"))
        }
        changed => Ok(changed.map(|()| StatusCode::OK)?),
    }
}
