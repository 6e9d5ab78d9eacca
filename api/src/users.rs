//! Users.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode};
use roadstead_auth::accounts::{ADMIN, NewAccount};
use roadstead_auth::{Caller, Error as AuthError};
use roadstead_model::{Action, PrincipalId, Resource};
use roadstead_storage::tables::principal::{self, UserAccount};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::page::ListQuery;
use crate::{Api, BASE};

pub(crate) fn register(routes: &mut Routes) {
    let system = |action| Access::System(permission(Resource::User, action));
    routes.add(&Method::GET, "/users", system(Action::List), list);
    routes.add(&Method::POST, "/users", system(Action::Create), create);
    routes.add(&Method::GET, "/users/current", Access::Login, current);
    // Their own; another's is the administrator's to change, which the handler sees to.
    routes.add(&Method::PUT, "/users/{user_id}/password", Access::Login, change_password);
}

/// Harbor's `UserCreationReq`.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct UserCreationReq {
    username: String,
    email: String,
    realname: String,
    comment: String,
    password: String,
}

/// Harbor's `PasswordReq`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PasswordReq {
    old_password: String,
    new_password: String,
}

/// Harbor's `UserResp`.
#[derive(Serialize)]
struct UserAnswer {
    #[serde(skip_serializing_if = "String::is_empty")]
    email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    realname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    comment: String,
    user_id: i64,
    username: String,
    sysadmin_flag: bool,
    admin_role_in_auth: bool,
    creation_time: String,
    update_time: String,
}

impl From<UserAccount> for UserAnswer {
    fn from(account: UserAccount) -> Self {
        Self {
            email: account.email.unwrap_or_default(),
            realname: account.realname,
            comment: account.comment,
            user_id: account.principal.id.0,
            username: account.principal.name,
            sysadmin_flag: account.principal.sysadmin,
            admin_role_in_auth: false,
            creation_time: account.created_at.rfc3339(),
            update_time: account.updated_at.rfc3339(),
        }
    }
}

/// The built-in administrator is not in the list.
async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut conn = api.db.read().await?;
    let admin = principal::find_user(&mut conn, ADMIN).await?;
    let except = admin.map_or(PrincipalId(0), |admin| admin.principal.id);
    let total = principal::count_users(&mut conn).await? - i64::from(except.0 != 0);
    let users = principal::list_users(&mut conn, except, query.limit(), query.offset()).await?;
    let answers: Vec<UserAnswer> = users.into_iter().map(UserAnswer::from).collect();
    Ok(query.answer(&format!("{BASE}/users"), total, &answers))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    request: Result<Json<UserCreationReq>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(request) = request.map_err(|error| Failure::unprocessable(error.body_text()))?;
    let account = NewAccount {
        name: request.username,
        email: request.email,
        realname: request.realname,
        comment: request.comment,
        password: request.password,
    };
    let id = api.auth.create_user(&caller, &account).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("{BASE}/users/{id}"))]).into_response())
}

async fn current(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<UserAnswer>, Failure> {
    let id = caller.require_login().map_err(Failure::refused)?;
    let account = principal::find_user_by_id(&mut api.db.read().await?, id).await?;
    let account = account.ok_or_else(|| Failure::not_found("user not found"))?;
    Ok(Json(account.into()))
}

async fn change_password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user_id): Path<String>,
    request: Result<Json<PasswordReq>, JsonRejection>,
) -> Result<StatusCode, Failure> {
    let Json(request) = request.map_err(|error| Failure::unprocessable(error.body_text()))?;
    let not_a_number = |_| Failure::unprocessable("user_id must be a whole number");
    let id = PrincipalId(user_id.parse().map_err(not_a_number)?);
    let own = caller.id() == Some(id);
    if !own {
        let update = permission(Resource::User, Action::Create);
        caller.require_system(update).map_err(Failure::refused)?;
    }
    let old = own.then_some(request.old_password.as_str());
    let changed = api.auth.change_password(&caller, id, old, &request.new_password).await;
    let changed = changed.map_err(|error| match error {
        AuthError::BadCredentials => Failure::forbidden("the old password is not correct"),
        other => other.into(),
    })?;
    if changed { Ok(StatusCode::OK) } else { Err(Failure::not_found("user not found")) }
}
