//! Routes of labels: what they require follows from where the label belongs.

use std::collections::HashMap;

use axum::extract::Request;
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{Action, Resource};
use roadstead_storage::Conn;
use roadstead_storage::tables::label;
use roadstead_storage::tables::project::{self, Project};

use super::{number, permission};
use crate::failure::Failure;

/// As in Harbor, whoever has logged in learns whether there is such a label.
pub(super) async fn admit_to_label(
    conn: &mut Conn,
    caller: &Caller,
    action: Action,
    parameters: &HashMap<String, String>,
    request: &mut Request,
) -> Result<Result<(), Refusal>, Failure> {
    let id = number(parameters, "label_id")?;
    let found = label::find(conn, id).await?;
    let project = match found.as_ref().and_then(|label| label.project) {
        None => None,
        Some(project) => project::find_by_id(conn, project).await?,
    };
    let Some(found) = found.filter(|label| label.project.is_some() == project.is_some()) else {
        return match caller.require_login() {
            Ok(_) => Err(Failure::not_found(format!("label {id} not found"))),
            Err(refusal) => Ok(Err(refusal)),
        };
    };
    request.extensions_mut().insert(found);
    require_of_labels(conn, caller, project.as_ref(), action).await
}

/// Requires an action on the labels of a project, or of all projects.
pub(crate) async fn require_of_labels(
    conn: &mut Conn,
    caller: &Caller,
    project: Option<&Project>,
    action: Action,
) -> Result<Result<(), Refusal>, Failure> {
    let permission = permission(Resource::Label, action);
    Ok(match project {
        None => caller.require_system(conn, permission).await?,
        Some(project) => caller.require_in_project(conn, project, permission).await?,
    })
}
