//! Routes of repositories.

use std::collections::HashMap;

use axum::extract::Request;
use percent_encoding::percent_decode_str;
use roadstead_auth::{Caller, Refusal};
use roadstead_model::{NameError, Permission, RepositoryName};
use roadstead_storage::Conn;
use roadstead_storage::tables::project;

use super::unknown_project;
use crate::failure::Failure;

/// A role may be limited to some repositories of a project, so the name is known here.
pub(super) async fn admit_to_repository(
    conn: &mut Conn,
    caller: &Caller,
    permission: Permission,
    parameters: &HashMap<String, String>,
    request: &mut Request,
) -> Result<Result<(), Refusal>, Failure> {
    let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
    let (project, escaped) = (parameter("project_name"), parameter("repository_name"));
    // Slashes come escaped twice, because proxies resolve one of the two.
    let below = percent_decode_str(escaped).decode_utf8_lossy();
    let name: RepositoryName = format!("{project}/{below}")
        .parse()
        .map_err(|error: NameError| Failure::bad_request(format!("repository_name: {error}")))?;
    let Some(project) = project::find(conn, project).await? else {
        return unknown_project(caller, project);
    };
    let allowed = caller.require_in_repository(conn, &project, &name, permission).await?;
    request.extensions_mut().insert(project);
    request.extensions_mut().insert(name);
    Ok(allowed)
}
