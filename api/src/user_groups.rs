//! Groups of people.

use std::collections::HashMap;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_auth::ldap::canonical_dn;
use roadstead_model::{Action, PrincipalId, Resource};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::group::{self, Filter, Group, HTTP, LDAP, OIDC};
use roadstead_storage::tables::principal;
use roadstead_storage::{Conn, Error as StorageError, Turn};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::{Api, BASE};

pub(crate) fn register(routes: &mut Routes) {
    let system = |action| Access::System(permission(Resource::UserGroup, action));
    let about = |id, summary| Description::new(id, "usergroup", summary);
    let description = about("listUserGroups", "List the groups");
    routes
        .add(&Method::GET, "/usergroups", system(Action::List), list, description)
        .paged()
        .query("ldap_group_dn", Type::String)
        .query("group_name", Type::String)
        .answers_list::<UserGroup>();
    let description = about("createUserGroup", "Make a group");
    routes
        .add(&Method::POST, "/usergroups", system(Action::Create), create, description)
        .accepts::<UserGroup>()
        .status(201)
        .fails(&[409]);
    let description = about("searchUserGroups", "Find groups by a part of their name");
    routes
        .add(&Method::GET, "/usergroups/search", Access::Login, search, description)
        .needs_query("groupname", Type::String)
        .paged()
        .answers_list::<UserGroupSearchItem>()
        .fails(&[400]);
    let path = "/usergroups/{group_id}";
    let description = about("getUserGroup", "Find a group");
    routes.add(&Method::GET, path, system(Action::Read), get, description).answers::<UserGroup>();
    let description = about("updateUserGroup", "Change the name of a group");
    routes
        .add(&Method::PUT, path, system(Action::Update), update, description)
        .accepts::<UserGroup>();
    let description = about("deleteUserGroup", "Delete a group");
    routes.add(&Method::DELETE, path, system(Action::Delete), remove, description);
}

/// Harbor's `UserGroup`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"group_name": "developers", "group_type": 3}))]
pub(crate) struct UserGroup {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    pub(crate) id: i64,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub(crate) group_name: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    pub(crate) group_type: i64,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub(crate) ldap_group_dn: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl From<Group> for UserGroup {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.0,
            group_name: group.name,
            group_type: group.kind,
            ldap_group_dn: group.ldap_dn,
        }
    }
}

/// Harbor's `UserGroupSearchItem`.
#[derive(Serialize, ToSchema)]
struct UserGroupSearchItem {
    id: i64,
    group_name: String,
    group_type: i64,
}

/// Where people come from a directory, only its groups are listed.
async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let in_ldap = api.auth.configuration().await?.text("auth_mode") == "ldap_auth";
    let dn = query.get("ldap_group_dn").unwrap_or_default();
    let canonical = canonical_dn(dn).unwrap_or_else(|| dn.to_owned());
    let filter = Filter {
        name: query.get("group_name").unwrap_or_default(),
        ldap_dn: &canonical,
        kind: if in_ldap { LDAP } else { 0 },
    };
    let mut conn = api.db.read().await?;
    let total = group::count(&mut conn, filter).await?;
    let groups = group::list(&mut conn, filter, query.limit(), query.offset()).await?;
    let answers: Vec<UserGroup> = groups.into_iter().map(UserGroup::from).collect();
    Ok(query.answer(&format!("{BASE}/usergroups"), total, &answers))
}

async fn search(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let part = query
        .get("groupname")
        .ok_or_else(|| Failure::unprocessable("groupname in query is required"))?;
    if part.is_empty() {
        return Err(Failure::bad_request("groupname must not be empty"));
    }
    let filter = Filter { name: part, ..Filter::default() };
    let mut conn = api.db.read().await?;
    let total = group::count(&mut conn, filter).await?;
    let groups = group::list(&mut conn, filter, query.limit(), query.offset()).await?;
    let item = |group: Group| UserGroupSearchItem {
        id: group.id.0,
        group_name: group.name,
        group_type: group.kind,
    };
    let answers: Vec<UserGroupSearchItem> = groups.into_iter().map(item).collect();
    Ok(query.answer(&format!("{BASE}/usergroups/search"), total, &answers))
}

async fn find(conn: &mut Conn, path: &HashMap<String, String>) -> Result<Group, Failure> {
    let id = number(path, "group_id")?;
    if id <= 0 {
        return Err(Failure::bad_request("group_id must be positive"));
    }
    let found = group::find(conn, PrincipalId(id)).await?;
    found.ok_or_else(|| Failure::not_found(format!("user group {id} not found")))
}

async fn get(
    State(api): State<Api>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<UserGroup>, Failure> {
    Ok(Json(find(&mut api.db.read().await?, &path).await?.into()))
}

fn checked_name(name: &str) -> Result<&str, Failure> {
    if (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(Failure::bad_request("group_name must have 1 to 255 characters"))
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<UserGroup>,
) -> Result<Response, Failure> {
    let name = checked_name(&new.group_name)?;
    let dn = match new.group_type {
        LDAP => canonical_dn(&new.ldap_group_dn).ok_or_else(|| {
            Failure::bad_request("ldap_group_dn must be the distinguished name of the group")
        })?,
        HTTP | OIDC => String::new(),
        _ => return Err(Failure::bad_request("group_type is 1 (LDAP), 2 (HTTP) or 3 (OIDC)")),
    };
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let id = match group::insert(&mut tx, name, new.group_type, &dn, now).await {
        Err(StorageError::Conflict) => return Err(Failure::conflict("the group exists already")),
        result => result?,
    };
    audit::record(&mut tx, caller.actor(), Event::of("user_group", name, "create"), now).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("{BASE}/usergroups/{id}"))]).into_response())
}

/// Only the name changes; what the directory calls the group stays.
async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
    Body(to): Body<UserGroup>,
) -> Result<StatusCode, Failure> {
    let name = checked_name(&to.group_name)?;
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let found = find(&mut tx, &path).await?;
    group::rename(&mut tx, found.id, name).await?;
    let event = Event::of("user_group", &found.name, "update").described(name);
    audit::record(&mut tx, caller.actor(), event, api.clock.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}

async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<StatusCode, Failure> {
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let found = find(&mut tx, &path).await?;
    principal::remove(&mut tx, found.id, now).await?;
    let event = Event::of("user_group", &found.name, "delete");
    audit::record(&mut tx, caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}
