//! Routes of retention policies: what they require follows from the policy's project.

use std::collections::HashMap;

use axum::extract::Request;
use http::Method;
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{Action, Resource};
use roadstead_storage::Conn;
use roadstead_storage::tables::{project, retention};

use super::{number, permission};
use crate::failure::Failure;

/// Only administrators learn that there is no such policy; to others it is one that is not theirs.
pub(super) async fn admit_to_retention(
    conn: &mut Conn,
    caller: &Caller,
    action: Action,
    parameters: &HashMap<String, String>,
    request: &mut Request,
) -> Result<Result<(), Refusal>, Failure> {
    if let Err(refusal) = caller.require_login() {
        return Ok(Err(refusal));
    }
    let id = number(parameters, "id")?;
    let found = retention::find(conn, id).await?;
    let project = match &found {
        None => None,
        Some(policy) => project::find_by_id(conn, policy.project).await?,
    };
    let (Some(policy), Some(project)) = (found, project) else {
        return if caller.is_sysadmin() && caller.is_person() {
            Err(unknown(id, request))
        } else {
            Ok(Err(caller.refusal()))
        };
    };
    let permission = permission(Resource::TagRetention, action);
    let allowed = caller.require_in_project(conn, &project, permission).await?;
    request.extensions_mut().insert(policy);
    request.extensions_mut().insert(project);
    Ok(allowed)
}

/// As in Harbor: 404 where the policy itself is read, 400 everywhere else.
fn unknown(id: i64, request: &Request) -> Failure {
    let message = format!("retention policy {id} not found");
    let is_read = request.method() == Method::GET;
    if is_read && !request.uri().path().contains("/executions") {
        Failure::not_found(message)
    } else {
        Failure::bad_request(message)
    }
}
