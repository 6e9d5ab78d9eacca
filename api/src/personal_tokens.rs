//! Personal access tokens; Harbor has none. Their permissions are written as robots' are.

use std::collections::HashMap;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_auth::personal_tokens::NewPersonalToken;
use roadstead_model::{Action, PrincipalId, Resource, Timestamp};
use roadstead_storage::Conn;
use roadstead_storage::tables::personal_token::{self, PersonalToken};
use roadstead_storage::tables::user;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::robot_permissions::{RobotPermission, Writer, entries};
use crate::{Api, BASE};

const MICROSECONDS: i64 = 1_000_000;

pub(crate) fn register(routes: &mut Routes) {
    let own = "/users/current/tokens";
    let theirs = "/users/{user_id}/tokens";
    let about = |id, summary| Description::new(id, "personaltoken", summary);
    let description = about("listOwnTokens", "List the caller's personal access tokens");
    routes
        .add(&Method::GET, own, Access::Person, list_own, description)
        .paged()
        .answers_list::<TokenAnswer>();
    let description = about("createOwnToken", "Make a personal access token");
    routes
        .add(&Method::POST, own, Access::Person, create, description)
        .accepts::<PersonalTokenCreate>()
        .answers::<PersonalTokenCreated>()
        .status(201)
        .fails(&[404, 409]);
    let description = about("deleteOwnToken", "Revoke a personal access token");
    let path = "/users/current/tokens/{token_id}";
    routes.add(&Method::DELETE, path, Access::Person, revoke_own, description);
    let self_or = |action| Access::SelfOr(permission(Resource::User, action));
    let description = about("listUserTokens", "List somebody's personal access tokens");
    routes
        .add(&Method::GET, theirs, self_or(Action::Read), list, description)
        .paged()
        .answers_list::<TokenAnswer>();
    let description = about("deleteUserToken", "Revoke somebody's personal access token");
    let path = "/users/{user_id}/tokens/{token_id}";
    routes.add(&Method::DELETE, path, self_or(Action::Update), revoke, description);
}

/// What a token is made from.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({
    "name": "laptop",
    "permissions": [{
        "kind": "project", "namespace": "library",
        "access": [{"resource": "repository", "action": "pull"}],
    }],
}))]
struct PersonalTokenCreate {
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    description: String,
    /// In seconds since 1970; without it the token never ends.
    expires_at: Option<i64>,
    permissions: Vec<RobotPermission>,
}

/// A token that was made, with its secret, which is told once.
#[derive(Serialize, ToSchema)]
struct PersonalTokenCreated {
    id: i64,
    name: String,
    secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    creation_time: String,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonalToken)]
struct TokenAnswer {
    id: i64,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    permissions: Vec<RobotPermission>,
    creation_time: String,
    /// To the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_time: Option<String>,
}

impl TokenAnswer {
    fn new(token: PersonalToken, permissions: Vec<RobotPermission>) -> Self {
        Self {
            id: token.id.0,
            name: token.name,
            description: token.description,
            expires_at: token.expires_at.map(Timestamp::seconds),
            permissions,
            creation_time: token.created_at.rfc3339(),
            last_used_time: token.last_used_at.map(Timestamp::rfc3339),
        }
    }
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<PersonalTokenCreate>,
) -> Result<Response, Failure> {
    let expires_at = new.expires_at.map(|seconds| seconds.checked_mul(MICROSECONDS));
    let expires_at = match expires_at {
        Some(None) => return Err(Failure::bad_request("expires_at is too far away")),
        known => known.flatten().map(Timestamp),
    };
    let mut conn = api.db.read().await?;
    let permissions = entries(&mut conn, &caller, &new.permissions).await?;
    drop(conn);
    let new =
        NewPersonalToken { name: new.name, description: new.description, expires_at, permissions };
    let (token, secret) = api.auth.create_personal_token(&caller, &new).await?;
    let location = format!("{BASE}/users/current/tokens/{}", token.id);
    let answer = PersonalTokenCreated {
        id: token.id.0,
        name: token.name,
        secret,
        expires_at: token.expires_at.map(Timestamp::seconds),
        creation_time: token.created_at.rfc3339(),
    };
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(answer)).into_response())
}

async fn list_own(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let owner = caller.require_person().map_err(Failure::refused)?;
    page(&api, owner, &format!("{BASE}/users/current/tokens"), query).await
}

async fn list(
    State(api): State<Api>,
    Path(path): Path<HashMap<String, String>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let owner = owner(&mut api.db.read().await?, &path).await?;
    page(&api, owner, &format!("{BASE}/users/{owner}/tokens"), query).await
}

async fn owner(conn: &mut Conn, path: &HashMap<String, String>) -> Result<PrincipalId, Failure> {
    let id = PrincipalId(number(path, "user_id")?);
    match user::find_by_id(conn, id).await? {
        Some(_) => Ok(id),
        None => Err(Failure::not_found(format!("user {id} not found"))),
    }
}

async fn page(
    api: &Api,
    owner: PrincipalId,
    path: &str,
    query: Option<String>,
) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut conn = api.db.read().await?;
    let total = personal_token::count(&mut conn, owner).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let mut writer = Writer::default();
    let mut answers = Vec::new();
    for token in personal_token::list(&mut conn, owner, limit, offset).await? {
        let entries = api.auth.token_permissions(&mut conn, token.id).await?;
        answers.push(TokenAnswer::new(token, writer.write(&mut conn, entries).await?));
    }
    Ok(query.answer(path, total, &answers))
}

async fn revoke_own(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let owner = caller.require_person().map_err(Failure::refused)?;
    let id = PrincipalId(number(&path, "token_id")?);
    api.auth.revoke_personal_token(&caller, owner, id).await?;
    Ok(StatusCode::OK)
}

async fn revoke(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let owner = owner(&mut api.db.read().await?, &path).await?;
    let id = PrincipalId(number(&path, "token_id")?);
    api.auth.require_changeable(&caller, owner).await?;
    api.auth.revoke_personal_token(&caller, owner, id).await?;
    Ok(StatusCode::OK)
}
