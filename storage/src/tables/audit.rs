//! The audit log: one row per change, in the transaction of the change, and one per refused
//! attempt at one.

use roadstead_model::{Origin, PrincipalId, ProjectId, Timestamp};

use crate::{Result, Tx};

mod events;
pub mod forward;
mod list;
pub mod purge;

pub use events::EVENT_TYPES;
pub use list::{NEWEST_FIRST, Part, count, list, page};

/// Who did it.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// None for the system itself.
    pub principal: Option<PrincipalId>,
    /// The principal's name at the time.
    pub name: &'a str,
    /// Where the request came from.
    pub origin: &'a Origin,
}

/// What was done to what. Never holds a secret.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The project it belongs to, if any.
    pub project: Option<ProjectId>,
    /// `project`, `user`, `artifact`, `tag`, `blob` and so on.
    pub resource_type: &'static str,
    /// The thing's name at the time.
    pub resource: &'a str,
    /// `create`, `delete`, `update`, `login`, `logout`, `warn`.
    pub operation: &'static str,
    /// More, for people.
    pub description: &'a str,
    /// Whether it was done; false when it was refused.
    pub success: bool,
}

impl<'a> Event<'a> {
    /// Something that was done, outside of projects and without more to say.
    pub const fn of(
        resource_type: &'static str,
        resource: &'a str,
        operation: &'static str,
    ) -> Self {
        Self { project: None, resource_type, resource, operation, description: "", success: true }
    }

    /// The same in a project.
    #[must_use]
    pub const fn in_project(mut self, project: ProjectId) -> Self {
        self.project = Some(project);
        self
    }

    /// The same with a description.
    #[must_use]
    pub const fn described(mut self, description: &'a str) -> Self {
        self.description = description;
        self
    }

    /// The same, but refused.
    #[must_use]
    pub const fn refused(mut self) -> Self {
        self.success = false;
        self
    }
}

/// What the types that an administrator has switched off are compared with.
pub(crate) fn pattern_of(event: Event<'_>) -> String {
    format!("%,{}\\_{},%", event.operation, event.resource_type.replace('_', "\\_"))
}

/// Writes an event, unless an administrator has switched its type off
/// (`disabled_audit_log_event_types`). While a collector is configured, the row waits to be
/// forwarded.
pub async fn record(tx: &mut Tx, actor: Actor<'_>, event: Event<'_>, now: Timestamp) -> Result<()> {
    tx.query(concat!(
        "INSERT INTO audit_log (at, principal_id, actor, address, request_id, project_id,
                                resource_type, resource, operation, description, success, pending)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,",
        audit_pending!(),
        " WHERE ",
        audit_wanted!("$12")
    ))
    .bind(now.0)
    .bind(actor.principal.map(|id| id.0))
    .bind(actor.name)
    .bind(&*actor.origin.address)
    .bind(&*actor.origin.request_id)
    .bind(event.project.map(|id| id.0))
    .bind(event.resource_type)
    .bind(event.resource)
    .bind(event.operation)
    .bind(event.description)
    .bind(event.success)
    .bind(pattern_of(event))
    .execute()
    .await?;
    Ok(())
}

/// An event as it was written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The row.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The actor's name at the time.
    pub actor: String,
    /// Where the request came from.
    pub address: String,
    /// The request's id.
    pub request_id: String,
    /// The project, if any; it may be gone.
    pub project: Option<ProjectId>,
    /// What kind of thing.
    pub resource_type: String,
    /// Its name at the time.
    pub resource: String,
    /// What was done.
    pub operation: String,
    /// More, for people.
    pub description: String,
    /// Whether it was done.
    pub success: bool,
}

type Row = (i64, i64, String, String, String, Option<i64>, String, String, String, String, bool);

const SELECT: &str = "SELECT a.id, a.at, a.actor, a.address, a.request_id, a.project_id,
            a.resource_type, a.resource, a.operation, a.description, a.success FROM audit_log a";

fn entry(row: Row) -> Entry {
    let (id, at, actor, address, request_id, project, ..) = row;
    let (.., resource_type, resource, operation, description, success) = row;
    Entry {
        id,
        at: Timestamp(at),
        actor,
        address,
        request_id,
        project: project.map(ProjectId),
        resource_type,
        resource,
        operation,
        description,
        success,
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trail_tests;
