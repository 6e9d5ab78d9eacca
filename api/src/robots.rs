//! Robot accounts.

mod list;
mod secrets;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{Method, StatusCode};
use roadstead_auth::permissions::Entry;
use roadstead_auth::robots::{NewRobotAccount, RobotChange};
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{Action, Timestamp};
use roadstead_storage::Conn;
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::robot::Robot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Body, null_as_default};
use crate::failure::Failure;
use crate::guard::{Access, Routes, refuse, require_of_robots};
use crate::openapi::Description;
use crate::robot_permissions::{RobotPermission, Writer, entries};
use crate::{Api, BASE};

const SYSTEM: &str = "system";
const PROJECT: &str = "project";
const NEVER: i64 = -1;

pub(crate) fn register(routes: &mut Routes) {
    let about = |id, summary| Description::new(id, "robot", summary);
    list::register(routes);
    let description = about("CreateRobot", "Make a robot account");
    routes
        .add(&Method::POST, "/robots", Access::Login, create, description)
        .accepts::<RobotCreate>()
        .answers::<RobotCreated>()
        .status(201)
        .fails(&[404, 409]);
    let path = "/robots/{robot_id}";
    let description = about("GetRobotByID", "Find a robot account");
    routes
        .add(&Method::GET, path, Access::Robot(Action::Read), get, description)
        .answers::<RobotAnswer>();
    let description = about("UpdateRobot", "Change a robot account");
    routes
        .add(&Method::PUT, path, Access::Robot(Action::Update), update, description)
        .accepts::<RobotUpdate>();
    let description = about("DeleteRobot", "Delete a robot account");
    routes.add(&Method::DELETE, path, Access::Robot(Action::Delete), remove, description);
    secrets::register(routes);
}

/// Harbor's `RobotCreate`. It has a `secret` and a `disable` too, which Harbor does not read.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({
    "name": "builder", "level": "project", "duration": 30,
    "permissions": [{
        "kind": "project", "namespace": "library",
        "access": [{"resource": "repository", "action": "pull"}],
    }],
}))]
struct RobotCreate {
    #[serde(deserialize_with = "null_as_default")]
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    description: String,
    #[serde(deserialize_with = "null_as_default")]
    level: String,
    #[serde(deserialize_with = "null_as_default")]
    duration: i64,
    #[serde(deserialize_with = "null_as_default")]
    permissions: Vec<RobotPermission>,
}

/// What is read of Harbor's `Robot` in a change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(example = json!({
    "name": "robot$library+builder", "level": "project", "duration": -1, "disable": false,
    "permissions": [{
        "kind": "project", "namespace": "library",
        "access": [{"resource": "repository", "action": "pull"}],
    }],
}))]
struct RobotUpdate {
    #[serde(deserialize_with = "null_as_default")]
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    description: String,
    #[serde(deserialize_with = "null_as_default")]
    level: String,
    /// Stays as it is without one.
    duration: Option<i64>,
    #[serde(deserialize_with = "null_as_default")]
    disable: bool,
    #[serde(deserialize_with = "null_as_default")]
    permissions: Vec<RobotPermission>,
}

/// Harbor's `RobotCreated`.
#[derive(Serialize, ToSchema)]
struct RobotCreated {
    id: i64,
    name: String,
    secret: String,
    creation_time: String,
    expires_at: i64,
}

/// Harbor's `Robot`.
#[derive(Serialize, ToSchema)]
#[schema(as = Robot)]
struct RobotAnswer {
    id: i64,
    /// With the prefix that all robots have.
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    level: &'static str,
    duration: i64,
    editable: bool,
    disable: bool,
    expires_at: i64,
    #[schema(required = true)]
    permissions: Option<Vec<RobotPermission>>,
    creator_type: String,
    creator_ref: i64,
    creation_time: String,
    update_time: String,
}

impl RobotAnswer {
    fn new(robot: Robot, prefix: &str, permissions: Vec<RobotPermission>) -> Self {
        Self {
            id: robot.id.0,
            name: format!("{prefix}{}", robot.name),
            level: level(&robot),
            description: robot.description,
            duration: robot.duration,
            editable: true,
            disable: robot.disabled,
            expires_at: seconds(robot.expires_at),
            permissions: (!permissions.is_empty()).then_some(permissions),
            creator_type: robot.creator_type,
            creator_ref: robot.creator.0,
            creation_time: robot.created_at.rfc3339(),
            update_time: robot.updated_at.rfc3339(),
        }
    }
}

fn level(robot: &Robot) -> &'static str {
    if robot.project.is_some() { PROJECT } else { SYSTEM }
}

fn seconds(expires_at: Option<Timestamp>) -> i64 {
    expires_at.map_or(NEVER, Timestamp::seconds)
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<RobotCreate>,
) -> Result<Response, Failure> {
    let mut conn = api.db.read().await?;
    let project = match home(&mut conn, &caller, &new).await? {
        Ok(project) => project,
        Err(refusal) => {
            // Writing that down takes a connection.
            drop(conn);
            let path = format!("{BASE}/robots");
            return Err(refuse(&api, &caller, &Method::POST, &path, refusal).await);
        }
    };
    let permissions = entries(&mut conn, &caller, &new.permissions).await?;
    drop(conn);
    let new = NewRobotAccount {
        name: new.name,
        description: new.description,
        duration: new.duration,
        project,
        permissions,
    };
    let made = api.auth.create_robot(&caller, &new).await?;
    let prefix = api.auth.configuration().await?;
    let answer = RobotCreated {
        id: made.robot.id.0,
        name: format!("{}{}", prefix.robot_prefix(), made.robot.name),
        secret: made.secret,
        creation_time: made.robot.created_at.rfc3339(),
        expires_at: seconds(made.robot.expires_at),
    };
    let location = format!("{BASE}/robots/{}", answer.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(answer)).into_response())
}

/// The project that a new robot belongs to, where its maker must be allowed to make robots; None
/// is the system.
async fn home(
    conn: &mut Conn,
    caller: &Caller,
    new: &RobotCreate,
) -> Result<Result<Option<Project>, Refusal>, Failure> {
    let project = match (new.level.as_str(), new.permissions.as_slice()) {
        (SYSTEM, _) => None,
        (PROJECT, [only]) if only.kind == PROJECT && only.namespace != "*" => {
            match project::find(conn, &only.namespace).await? {
                None if caller.is_sysadmin() && caller.is_person() => {
                    let name = &only.namespace;
                    return Err(Failure::not_found(format!("project {name} not found")));
                }
                None => return Ok(Err(caller.refusal())),
                found => found,
            }
        }
        (PROJECT, _) => {
            let why = "a robot of a project must have exactly one permission, for its own project";
            return Err(Failure::bad_request(why));
        }
        _ => return Err(Failure::bad_request("the level of a robot is system or project")),
    };
    let allowed = require_of_robots(conn, caller, project.as_ref(), Action::Create).await?;
    Ok(allowed.map(|()| project))
}

async fn get(
    State(api): State<Api>,
    Extension(robot): Extension<Robot>,
) -> Result<Json<RobotAnswer>, Failure> {
    let configuration = api.auth.configuration().await?;
    let mut conn = api.db.read().await?;
    let entries = api.auth.robot_permissions(&mut conn, robot.id).await?;
    let permissions = Writer::default().write(&mut conn, entries).await?;
    Ok(Json(RobotAnswer::new(robot, configuration.robot_prefix(), permissions)))
}

/// Replaces what may change of a robot as a whole; its name and its level are said to be sure.
async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(robot): Extension<Robot>,
    Body(to): Body<RobotUpdate>,
) -> Result<StatusCode, Failure> {
    let configuration = api.auth.configuration().await?;
    let name = format!("{}{}", configuration.robot_prefix(), robot.name);
    if to.level != level(&robot) || to.name != name {
        return Err(Failure::bad_request("the level and the name of a robot cannot be changed"));
    }
    let mut conn = api.db.read().await?;
    let permissions: Vec<Entry> = entries(&mut conn, &caller, &to.permissions).await?;
    drop(conn);
    let change = RobotChange {
        description: to.description,
        duration: to.duration.unwrap_or(robot.duration),
        disabled: to.disable,
        permissions,
    };
    api.auth.update_robot(&caller, &robot, &change).await?;
    Ok(StatusCode::OK)
}

async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(robot): Extension<Robot>,
) -> Result<StatusCode, Failure> {
    api.auth.delete_robot(&caller, &robot).await?;
    Ok(StatusCode::OK)
}
