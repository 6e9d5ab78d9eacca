//! The browsers that somebody is logged in with.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, PrincipalId, Resource};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::failure::Failure;
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;

pub(super) fn register(routes: &mut Routes) {
    let self_or = |action| Access::SelfOr(permission(Resource::User, action));
    let about = |id, summary| Description::new(id, "user", summary);
    let path = "/users/{user_id}/sessions";
    let description =
        about("listUserSessions", "List the browsers that somebody is logged in with");
    routes
        .add(&Method::GET, path, self_or(Action::Read), list, description)
        .answers_list::<UserSession>();
    let description = about("deleteUserSessions", "Log somebody out everywhere");
    routes.add(&Method::DELETE, path, self_or(Action::Update), log_out, description);
}

/// A login of a browser.
#[derive(Serialize, ToSchema)]
struct UserSession {
    /// Where the login came from.
    address: String,
    /// What the browser said of itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    user_agent: String,
    creation_time: String,
    /// When it ends, unless it is used.
    expiration_time: String,
    /// Whether it is the one that asks.
    current: bool,
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<Vec<UserSession>>, Failure> {
    let id = PrincipalId(number(&path, "user_id")?);
    let sessions = api.auth.sessions_of(id).await?;
    let told = sessions.into_iter().map(|session| UserSession {
        current: caller.session() == Some(&session.hash),
        address: session.address,
        user_agent: session.user_agent,
        creation_time: session.created_at.rfc3339(),
        expiration_time: session.expires_at.rfc3339(),
    });
    Ok(Json(told.collect()))
}

async fn log_out(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let id = PrincipalId(number(&path, "user_id")?);
    api.auth.require_changeable(&caller, id).await?;
    api.auth.log_out_everywhere(&caller, id).await?;
    Ok(StatusCode::OK)
}
