//! Users.

mod changes;
mod current;
mod sessions;

use std::collections::HashMap;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::LOCATION;
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_auth::accounts::{ADMIN, NewAccount};
use roadstead_model::{Action, PrincipalId, Resource};
use roadstead_storage::tables::user::{self, UserAccount};
use roadstead_storage::{Condition, Conn, Test};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::body::{Body, null_as_default};
use crate::cli_secret::OidcUserInfo;
use crate::failure::Failure;
use crate::filter::{Column, Kind, filters, sorting};
use crate::guard::{Access, Routes, number, permission, refuse};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

/// What the list can be narrowed to and ordered by; nothing that it does not show.
const COLUMNS: &[Column] = &[
    Column::new("username", "p.name", Kind::Text),
    Column::new("email", "u.email", Kind::Text),
    Column::new("realname", "u.realname", Kind::Text),
    Column::new("user_id", "p.id", Kind::Integer),
    Column::new("sysadmin_flag", "u.sysadmin", Kind::Boolean).also(&["SysAdminFlag"]),
    Column::new("creation_time", "p.created_at", Kind::Time),
    Column::new("update_time", "p.updated_at", Kind::Time),
];

pub(crate) fn register(routes: &mut Routes) {
    let system = |action| Access::System(permission(Resource::User, action));
    let read = Access::SelfOr(permission(Resource::User, Action::Read));
    let about = |id, summary| Description::new(id, "user", summary);
    let description = about("listUsers", "List the accounts");
    routes
        .add(&Method::GET, "/users", system(Action::List), list, description)
        .listed()
        .query("username", Type::String)
        .query("email", Type::String)
        .answers_list::<UserAnswer>();
    let description = about("createUser", "Make an account, or, where that is on, one's own");
    routes
        .add(&Method::POST, "/users", Access::Anyone, create, description)
        .accepts::<UserCreationReq>()
        .status(201)
        .fails(&[409]);
    let description = about("searchUsers", "Find accounts by a part of their name");
    routes
        .add(&Method::GET, "/users/search", Access::Login, search, description)
        .needs_query("username", Type::String)
        .paged()
        .answers_list::<UserSearchRespItem>();
    let description = about("getUser", "Find an account");
    routes.add(&Method::GET, "/users/{user_id}", read, get, description).answers::<UserAnswer>();
    changes::register(routes);
    current::register(routes);
    sessions::register(routes);
}

/// Harbor's `UserCreationReq`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({
    "username": "alice", "email": "alice@example.com", "realname": "Alice",
    "password": "Correct-Horse-1", "comment": "",
}))]
struct UserCreationReq {
    #[serde(deserialize_with = "null_as_default")]
    username: String,
    #[serde(deserialize_with = "null_as_default")]
    email: String,
    #[serde(deserialize_with = "null_as_default")]
    realname: String,
    #[serde(deserialize_with = "null_as_default")]
    comment: String,
    #[serde(deserialize_with = "null_as_default")]
    password: String,
}

/// Harbor's `UserResp`; whether the account is disabled is ours.
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    /// In answers about one account only.
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_user_meta: Option<OidcUserInfo>,
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
            disabled: account.principal.disabled,
            oidc_user_meta: None,
            creation_time: account.created_at.rfc3339(),
            update_time: account.updated_at.rfc3339(),
        }
    }
}

/// Harbor's `UserSearchRespItem`.
#[derive(Serialize, ToSchema)]
struct UserSearchRespItem {
    user_id: i64,
    username: String,
}

/// A page of the accounts, without the built-in administrator.
async fn page(
    conn: &mut Conn,
    query: &ListQuery,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
) -> Result<(i64, Vec<UserAccount>), Failure> {
    let admin = user::find(conn, ADMIN).await?;
    let except = admin.map_or(PrincipalId(0), |admin| admin.principal.id);
    let total = user::count(conn, except, conditions).await?;
    let (limit, offset) = (query.limit(), query.offset());
    let users = user::list(conn, except, conditions, order, limit, offset).await?;
    Ok((total, users))
}

async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut conditions = filters(&query, COLUMNS)?.conditions;
    for (key, column) in [("username", "p.name"), ("email", "u.email")] {
        if let Some(part) = query.get(key).filter(|part| !part.is_empty()) {
            conditions.push(Condition { column, test: Test::Contains(part.to_owned()) });
        }
    }
    let mut order = sorting(&query, COLUMNS)?;
    order.extend([("p.name", false), ("p.id", false)]);
    let mut conn = api.db.read().await?;
    let (total, users) = page(&mut conn, &query, &conditions, &order).await?;
    let answers: Vec<UserAnswer> = users.into_iter().map(UserAnswer::from).collect();
    Ok(query.answer(&format!("{BASE}/users"), total, &answers))
}

async fn search(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let part = query.get("username").filter(|part| !part.is_empty());
    let part = part.ok_or_else(|| Failure::unprocessable("username in query is required"))?;
    let named = Condition { column: "p.name", test: Test::Contains(part.to_owned()) };
    let mut conn = api.db.read().await?;
    let order = [("p.name", false), ("p.id", false)];
    let (total, users) = page(&mut conn, &query, &[named], &order).await?;
    let item = |account: UserAccount| UserSearchRespItem {
        user_id: account.principal.id.0,
        username: account.principal.name,
    };
    let answers: Vec<UserSearchRespItem> = users.into_iter().map(item).collect();
    Ok(query.answer(&format!("{BASE}/users/search"), total, &answers))
}

async fn get(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<UserAnswer>, Failure> {
    whole(&api, &caller, PrincipalId(number(&path, "user_id")?)).await
}

/// An account with what it has of an OIDC provider, the secret of which is the person's own.
async fn whole(api: &Api, caller: &Caller, id: PrincipalId) -> Result<Json<UserAnswer>, Failure> {
    let account = find(&mut api.db.read().await?, id).await?;
    let own = caller.is_person() && caller.id() == Some(id);
    let meta = api.auth.oidc_meta(id, own).await?;
    let oidc_user_meta = meta.map(OidcUserInfo::from);
    Ok(Json(UserAnswer { oidc_user_meta, ..account.into() }))
}

async fn find(conn: &mut Conn, id: PrincipalId) -> Result<UserAccount, Failure> {
    let account = user::find_by_id(conn, id).await?;
    account.ok_or_else(|| Failure::not_found(format!("user {id} not found")))
}

/// Whoever may, adds an account. Strangers add their own, where an administrator lets them; what
/// they say of privileges is not read.
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
    let create = permission(Resource::User, Action::Create);
    let allowed = caller.require_system(&mut api.db.read().await?, create).await?;
    let registration = api.auth.configuration().await?.is_on("self_registration");
    let id = match allowed {
        Ok(()) => api.auth.create_user(&caller, &account).await?,
        Err(_) if registration && caller.id().is_none() => {
            api.auth.register(&caller, &account).await?
        }
        Err(refusal) => {
            let path = format!("{BASE}/users");
            return Err(refuse(&api, &caller, &Method::POST, &path, refusal).await);
        }
    };
    Ok((StatusCode::CREATED, [(LOCATION, format!("{BASE}/users/{id}"))]).into_response())
}
