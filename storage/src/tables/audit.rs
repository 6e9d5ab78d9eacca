//! The audit log: one row per change, in the transaction of the change, and one per refused
//! attempt at one.

use roadstead_model::{Origin, Permission, PrincipalId, ProjectId, Timestamp};

use super::viewer::{HOLDS, Viewer};
use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

mod events;
pub mod forward;
pub mod purge;

pub use events::EVENT_TYPES;

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

/// Writes an event, unless an administrator has switched its type off
/// (`disabled_audit_log_event_types`). While a collector is configured, the row waits to be
/// forwarded.
pub async fn record(tx: &mut Tx, actor: Actor<'_>, event: Event<'_>, now: Timestamp) -> Result<()> {
    let kind = format!("%,{}\\_{},%", event.operation, event.resource_type.replace('_', "\\_"));
    tx.query(
        "INSERT INTO audit_log (at, principal_id, actor, address, request_id, project_id,
                                resource_type, resource, operation, description, success, pending)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
                EXISTS (SELECT 1 FROM setting
                        WHERE name = 'config.audit_log_forward_endpoint' AND value <> '')
         WHERE NOT EXISTS (SELECT 1 FROM setting
                           WHERE name = 'config.disabled_audit_log_event_types'
                             AND ',' || value || ',' LIKE $12 ESCAPE '\\')",
    )
    .bind(now.0)
    .bind(actor.principal.map(|id| id.0))
    .bind(actor.name)
    .bind(actor.origin.address.as_str())
    .bind(actor.origin.request_id.as_str())
    .bind(event.project.map(|id| id.0))
    .bind(event.resource_type)
    .bind(event.resource)
    .bind(event.operation)
    .bind(event.description)
    .bind(event.success)
    .bind(kind)
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

/// Which part of the log somebody reads.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// All of it.
    Everything,
    /// What belongs to one project.
    Project(ProjectId),
    /// What belongs to the projects where the viewer has this permission.
    Where(Viewer, Permission),
}

fn narrowed<'c>(
    conn: &'c mut Conn,
    select: &'static str,
    part: Part,
    conditions: &[Condition],
) -> Query<'c> {
    let query = conn.query(select);
    let query = match part {
        Part::Everything => query.push(" WHERE 1 = 1"),
        Part::Project(id) => query.push(" WHERE a.project_id = $1").bind(id.0),
        Part::Where(viewer, permission) => {
            let (everything, principal, via) = viewer.parameters();
            query
                .push(" WHERE a.project_id IN (SELECT p.id FROM project p WHERE ")
                .push(HOLDS)
                .push(")")
                .bind(everything)
                .bind(principal)
                .bind(via)
                .bind(permission.resource.name())
                .bind(permission.action.name())
        }
    };
    query.narrowed(conditions)
}

/// Events; `order` is (column, descending).
pub async fn list(
    conn: &mut Conn,
    part: Part,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Entry>> {
    let rows: Vec<Row> = narrowed(conn, SELECT, part, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(entry).collect())
}

/// How many events [`list`] has.
pub async fn count(conn: &mut Conn, part: Part, conditions: &[Condition]) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM audit_log a";
    let (count,) = narrowed(conn, select, part, conditions).fetch_one::<(i64,)>().await?;
    Ok(count)
}

#[cfg(test)]
mod tests;
