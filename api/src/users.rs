//! Users.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode};
use roadstead_auth::accounts::{ADMIN, NewAccount};
use roadstead_auth::{Caller, Error as AuthError};
use roadstead_model::{Action, PrincipalId, Resource};
use roadstead_storage::tables::user::{self, UserAccount};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::Body;
use crate::failure::Failure;
use crate::guard::{Access, Routes, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

pub(crate) fn register(routes: &mut Routes) {
    let system = |action| Access::System(permission(Resource::User, action));
    let own = Access::SelfOr(permission(Resource::User, Action::Update));
    let about = |id, summary| Description::new(id, "user", summary);
    let description = about("listUsers", "List the accounts");
    routes
        .add(&Method::GET, "/users", system(Action::List), list, description)
        .listed()
        .answers_list::<UserAnswer>();
    let description = about("createUser", "Make an account");
    routes
        .add(&Method::POST, "/users", system(Action::Create), create, description)
        .accepts::<UserCreationReq>()
        .status(201);
    let description = about("getCurrentUserInfo", "Find the caller's own account");
    routes
        .add(&Method::GET, "/users/current", Access::Login, current, description)
        .answers::<UserAnswer>();
    let description = about("updateUserPassword", "Change a password");
    let path = "/users/{user_id}/password";
    routes.add(&Method::PUT, path, own, change_password, description).accepts::<PasswordReq>();
}

/// Harbor's `UserCreationReq`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct UserCreationReq {
    username: String,
    email: String,
    realname: String,
    comment: String,
    password: String,
}

/// Harbor's `PasswordReq`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct PasswordReq {
    old_password: String,
    new_password: String,
}

/// Harbor's `UserResp`.
#[derive(Serialize, ToSchema)]
#[schema(as = UserResp)]
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
            sysadmin_flag: account.sysadmin_flag,
            admin_role_in_auth: account.directory_admin,
            creation_time: account.created_at.rfc3339(),
            update_time: account.updated_at.rfc3339(),
        }
    }
}

/// The built-in administrator is not in the list.
async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut conn = api.db.read().await?;
    let admin = user::find(&mut conn, ADMIN).await?;
    let except = admin.map_or(PrincipalId(0), |admin| admin.principal.id);
    let total = user::count(&mut conn, except, &[]).await?;
    let users =
        user::list(&mut conn, except, &[], &[("p.name", false)], query.limit(), query.offset())
            .await?;
    let answers: Vec<UserAnswer> = users.into_iter().map(UserAnswer::from).collect();
    Ok(query.answer(&format!("{BASE}/users"), total, &answers))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<UserCreationReq>,
) -> Result<Response, Failure> {
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
    let account = user::find_by_id(&mut api.db.read().await?, id).await?;
    let account = account.ok_or_else(|| Failure::not_found("user not found"))?;
    Ok(Json(account.into()))
}

async fn change_password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user_id): Path<String>,
    Body(request): Body<PasswordReq>,
) -> Result<StatusCode, Failure> {
    let not_a_number = |_| Failure::unprocessable("user_id must be a whole number");
    let id = PrincipalId(user_id.parse().map_err(not_a_number)?);
    let own = caller.id() == Some(id);
    let old = own.then_some(request.old_password.as_str());
    let changed = api.auth.change_password(&caller, id, old, &request.new_password).await;
    let changed = changed.map_err(|error| match error {
        AuthError::BadCredentials => Failure::forbidden("the old password is not correct"),
        other => other.into(),
    })?;
    if changed { Ok(StatusCode::OK) } else { Err(Failure::not_found("user not found")) }
}
