//! The audit trail: one row per change, in the transaction of the change.

use roadstead_model::{Origin, PrincipalId, ProjectId, Timestamp};

use crate::{Result, Tx};

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
    /// `project`, `user`, `artifact`, `tag`, `blob`.
    pub resource_type: &'static str,
    /// The thing's name at the time.
    pub resource: &'a str,
    /// `create`, `delete`, `update`.
    pub operation: &'static str,
}

/// Writes an event.
pub async fn record(tx: &mut Tx, actor: Actor<'_>, event: Event<'_>, now: Timestamp) -> Result<()> {
    tx.query(
        "INSERT INTO audit_log (at, principal_id, actor, address, request_id, project_id,
                                resource_type, resource, operation)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
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
    .execute()
    .await?;
    Ok(())
}
