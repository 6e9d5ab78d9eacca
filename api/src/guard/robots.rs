//! Routes of robots: what they require follows from where the robot belongs.

use std::collections::HashMap;

use axum::extract::Request;
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{Action, PrincipalId, Resource};
use roadstead_storage::Conn;
use roadstead_storage::tables::project::{self, Project};
use roadstead_storage::tables::robot;

use super::{number, permission};
use crate::failure::Failure;

/// Whoever may not even read a robot is not told that it is there.
pub(super) async fn admit_to_robot(
    conn: &mut Conn,
    caller: &Caller,
    action: Action,
    parameters: &HashMap<String, String>,
    request: &mut Request,
) -> Result<Result<(), Refusal>, Failure> {
    let id = number(parameters, "robot_id")?;
    if let Err(refusal) = caller.require_login() {
        return Ok(Err(refusal));
    }
    let missing = || no_robot(&id.to_string());
    let found = robot::find(conn, PrincipalId(id)).await?.ok_or_else(missing)?;
    let project = match found.project {
        None => None,
        Some(project) => Some(project::find_by_id(conn, project).await?.ok_or_else(missing)?),
    };
    let may_read = require_of_robots(conn, caller, project.as_ref(), Action::Read).await?;
    let admitted = match action {
        Action::Read => may_read,
        _ => require_of_robots(conn, caller, project.as_ref(), action).await?,
    };
    if may_read.is_ok() || admitted.is_ok() {
        request.extensions_mut().insert(found);
    }
    Ok(admitted)
}

/// Requires an action on the robots of a project, or of the system.
pub(crate) async fn require_of_robots(
    conn: &mut Conn,
    caller: &Caller,
    project: Option<&Project>,
    action: Action,
) -> Result<Result<(), Refusal>, Failure> {
    let permission = permission(Resource::Robot, action);
    Ok(match project {
        None => caller.require_system(conn, permission).await?,
        Some(project) => caller.require_in_project(conn, project, permission).await?,
    })
}

pub(super) fn no_robot(id: &str) -> Failure {
    Failure::not_found(format!("robot {id} not found"))
}
