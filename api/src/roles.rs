//! Roles that administrators make of permissions; Harbor has its five only.

use std::collections::HashMap;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode};
use roadstead_auth::Caller;
use roadstead_model::{Action, Permission, Resource, RoleId, catalogue};
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::role::{self, Kind, Role};
use roadstead_storage::{Conn, Error as StorageError, Turn};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::guard::{Access, Routes, number, permission};
use crate::openapi::Description;
use crate::page::ListQuery;
use crate::permissions::PermissionAnswer;
use crate::{Api, BASE};

const LONGEST_NAME: usize = 64;
const LONGEST_DESCRIPTION: usize = 1024;

pub(crate) fn register(routes: &mut Routes) {
    let system = |action| Access::System(permission(Resource::Role, action));
    let about = |id, summary| Description::new(id, "role", summary);
    let description = about("listRoles", "List the roles that members can be given");
    routes
        .add(&Method::GET, "/roles", Access::Login, list, description)
        .paged()
        .answers_list::<RoleAnswer>();
    let description = about("createRole", "Make a role");
    routes
        .add(&Method::POST, "/roles", system(Action::Create), create, description)
        .accepts::<RoleReq>()
        .status(201)
        .fails(&[409]);
    let path = "/roles/{role_id}";
    let description = about("getRole", "Find a role");
    routes.add(&Method::GET, path, Access::Login, get, description).answers::<RoleAnswer>();
    let description = about("updateRole", "Change a role; who has it has the new one at once");
    routes
        .add(&Method::PUT, path, system(Action::Update), update, description)
        .accepts::<RoleReq>()
        .fails(&[409]);
    let description = about("deleteRole", "Delete a role that nobody has");
    routes.add(&Method::DELETE, path, system(Action::Delete), remove, description).fails(&[412]);
}

/// What a role is made from.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({"name": "reader", "permissions": [{"resource": "repository", "action": "pull"}]}))]
struct RoleReq {
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    description: String,
    permissions: Vec<PermissionAnswer>,
}

/// A role.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
struct RoleAnswer {
    id: i64,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    /// One of Harbor's, which cannot be changed.
    builtin: bool,
    permissions: Vec<PermissionAnswer>,
    creation_time: String,
    update_time: String,
}

impl RoleReq {
    /// # Errors
    /// 400 for what a role cannot be.
    fn check(&self) -> Result<Vec<Permission>, Failure> {
        let plain = |c: char| !c.is_control();
        let length = self.name.chars().count();
        if !(1..=LONGEST_NAME).contains(&length) || !self.name.chars().all(plain) {
            return Err(Failure::bad_request("the name of a role must have 1 to 64 characters"));
        }
        if self.description.chars().count() > LONGEST_DESCRIPTION {
            let why = "the description must have at most 1024 characters";
            return Err(Failure::bad_request(why));
        }
        if self.permissions.is_empty() {
            return Err(Failure::bad_request("a role must have permissions"));
        }
        let known = catalogue::of_roles();
        let read = |PermissionAnswer { resource, action }: &PermissionAnswer| {
            let found = Permission::named(resource, action).filter(|p| known.contains(p));
            found.ok_or_else(|| {
                let why = format!("the permission {resource}:{action} cannot be part of a role");
                Failure::bad_request(why)
            })
        };
        self.permissions.iter().map(read).collect()
    }
}

async fn answer(conn: &mut Conn, role: Role) -> Result<RoleAnswer, Failure> {
    let permissions = role::permissions(conn, role.id).await?;
    Ok(RoleAnswer {
        id: role.id.0,
        name: role.name,
        description: role.description,
        builtin: role.kind == Kind::Builtin,
        permissions: PermissionAnswer::list(&permissions),
        creation_time: role.created_at.rfc3339(),
        update_time: role.updated_at.rfc3339(),
    })
}

async fn find(conn: &mut Conn, path: &HashMap<String, String>) -> Result<Role, Failure> {
    let id = RoleId(number(path, "role_id")?);
    let found = if id == RoleId::PUBLIC { None } else { role::find(conn, id).await? };
    found.ok_or_else(|| Failure::not_found(format!("role {} not found", id.0)))
}

/// The role, which must be one that can be changed.
async fn find_custom(conn: &mut Conn, path: &HashMap<String, String>) -> Result<Role, Failure> {
    let found = find(conn, path).await?;
    match found.kind {
        Kind::Custom => Ok(found),
        _ => Err(Failure::denied(format!("the role {} is Harbor's and stays", found.name))),
    }
}

async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let query = ListQuery::parse(&query.unwrap_or_default())?;
    let mut conn = api.db.read().await?;
    let total = role::count(&mut conn).await?;
    let mut answers = Vec::new();
    for role in role::list(&mut conn, query.limit(), query.offset()).await? {
        answers.push(answer(&mut conn, role).await?);
    }
    Ok(query.answer(&format!("{BASE}/roles"), total, &answers))
}

async fn get(
    State(api): State<Api>,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<RoleAnswer>, Failure> {
    let mut conn = api.db.read().await?;
    let found = find(&mut conn, &path).await?;
    Ok(Json(answer(&mut conn, found).await?))
}

fn taken(error: StorageError) -> Failure {
    match error {
        StorageError::Conflict => Failure::conflict("a role of this name exists already"),
        other => other.into(),
    }
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<RoleReq>,
) -> Result<Response, Failure> {
    let permissions = new.check()?;
    let now = api.clock.now();
    let (kind, name, description) = (Kind::Custom, new.name.as_str(), new.description.as_str());
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let made = role::insert(&mut tx, kind, name, description, &permissions, now).await;
    let id = made.map_err(taken)?;
    audit::record(&mut tx, caller.actor(), Event::of("role", name, "create"), now).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("{BASE}/roles/{}", id.0))]).into_response())
}

async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<HashMap<String, String>>,
    Body(to): Body<RoleReq>,
) -> Result<StatusCode, Failure> {
    let permissions = to.check()?;
    let now = api.clock.now();
    let mut tx = api.db.begin_turn(Turn::Authority).await?;
    let found = find_custom(&mut tx, &path).await?;
    let (id, name, description) = (found.id, to.name.as_str(), to.description.as_str());
    let changed = role::update(&mut tx, id, name, description, &permissions, now).await;
    changed.map_err(taken)?;
    audit::record(&mut tx, caller.actor(), Event::of("role", name, "update"), now).await?;
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
    let found = find_custom(&mut tx, &path).await?;
    match role::remove(&mut tx, found.id).await {
        Err(StorageError::Reference) => {
            return Err(Failure::precondition("members still have this role"));
        }
        result => result?,
    };
    let event = Event::of("role", &found.name, "delete");
    audit::record(&mut tx, caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::OK)
}
