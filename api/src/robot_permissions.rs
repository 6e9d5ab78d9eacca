//! Explicit permissions as robots and personal tokens carry them on the wire.

use std::collections::HashMap;

use roadstead_auth::Caller;
use roadstead_auth::permissions::Entry;
use roadstead_model::{Permission, ProjectId};
use roadstead_storage::Conn;
use roadstead_storage::tables::binding::Scope;
use roadstead_storage::tables::project;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::null_as_default;
use crate::failure::Failure;

/// Harbor's namespaces of the system and of all projects.
const SYSTEM: &str = "/";
const ALL_PROJECTS: &str = "*";
const ALLOW: &str = "allow";

/// Harbor's `RobotPermission`, with a pattern of repositories, which is ours.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct RobotPermission {
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) kind: String,
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) namespace: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub(crate) repository_pattern: String,
    #[serde(deserialize_with = "null_as_default")]
    #[schema(required = true)]
    pub(crate) access: Vec<Access>,
}

/// Harbor's `Access`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct Access {
    #[serde(deserialize_with = "null_as_default")]
    resource: String,
    #[serde(deserialize_with = "null_as_default")]
    action: String,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    effect: String,
}

/// Reads permissions. A project that the caller does not see is refused as one that they may not
/// give permissions in, whether it exists or not.
pub(crate) async fn entries(
    conn: &mut Conn,
    caller: &Caller,
    permissions: &[RobotPermission],
) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::with_capacity(permissions.len());
    for given in permissions {
        let scope = scope(conn, caller, given).await?;
        let access = given.access.iter().map(permission_of).collect::<Result<_, Failure>>()?;
        let effect = !given.access.is_empty() && given.access.iter().all(|a| a.effect == ALLOW);
        let pattern = given.repository_pattern.clone();
        entries.push(Entry { scope, pattern, access, effect });
    }
    Ok(entries)
}

fn permission_of(access: &Access) -> Result<Permission, Failure> {
    let (resource, action) = (&access.resource, &access.action);
    if !matches!(access.effect.as_str(), "" | ALLOW) {
        return Err(Failure::bad_request("the effect of a permission can only be allow"));
    }
    Permission::named(resource, action)
        .ok_or_else(|| Failure::bad_request(format!("there is no permission {resource}:{action}")))
}

async fn scope(
    conn: &mut Conn,
    caller: &Caller,
    given: &RobotPermission,
) -> Result<Scope, Failure> {
    match (given.kind.as_str(), given.namespace.as_str()) {
        ("system", SYSTEM) => Ok(Scope::System),
        ("system", _) => Err(Failure::bad_request("the namespace of the system is /")),
        ("project", ALL_PROJECTS) => Ok(Scope::AllProjects),
        ("project", name) => Ok(Scope::Project(visible_project(conn, caller, name).await?)),
        _ => Err(Failure::bad_request("the kind of a permission is system or project")),
    }
}

async fn visible_project(
    conn: &mut Conn,
    caller: &Caller,
    name: &str,
) -> Result<ProjectId, Failure> {
    if let Some(found) = project::find(conn, name).await?
        && caller.sees(conn, &found).await?
    {
        return Ok(found.id);
    }
    if caller.is_sysadmin() && caller.is_person() {
        return Err(Failure::not_found(format!("project {name} not found")));
    }
    Err(Failure::refused(caller.refusal()))
}

/// Writes permissions, remembering the names of projects.
#[derive(Default)]
pub(crate) struct Writer(HashMap<ProjectId, String>);

impl Writer {
    pub(crate) async fn write(
        &mut self,
        conn: &mut Conn,
        entries: Vec<Entry>,
    ) -> Result<Vec<RobotPermission>, Failure> {
        let mut written = Vec::with_capacity(entries.len());
        for entry in entries {
            let (kind, namespace) = match entry.scope {
                Scope::System => ("system", SYSTEM.to_owned()),
                Scope::AllProjects => ("project", ALL_PROJECTS.to_owned()),
                Scope::Project(id) => ("project", self.name(conn, id).await?),
            };
            let effect = if entry.effect { ALLOW } else { "" };
            let access = |permission: &Permission| Access {
                resource: permission.resource.name().to_owned(),
                action: permission.action.name().to_owned(),
                effect: effect.to_owned(),
            };
            written.push(RobotPermission {
                kind: kind.to_owned(),
                namespace,
                repository_pattern: entry.pattern,
                access: entry.access.iter().map(access).collect(),
            });
        }
        Ok(written)
    }

    async fn name(&mut self, conn: &mut Conn, id: ProjectId) -> Result<String, Failure> {
        if let Some(name) = self.0.get(&id) {
            return Ok(name.clone());
        }
        let name = project::find_by_id(conn, id).await?.map(|project| project.name);
        let name = name.unwrap_or_default();
        self.0.insert(id, name.clone());
        Ok(name)
    }
}
