//! The audit trail of content: one event for each change, in its transaction.

use roadstead_auth::Grant;
use roadstead_model::Timestamp;
use roadstead_storage::Tx;
use roadstead_storage::tables::audit::{self, Event};

use crate::error::Result;

/// What was changed in the grant's repository.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    /// `artifact`, `tag` or `blob`.
    pub(crate) resource_type: &'static str,
    /// What follows the repository's name: `:<tag>`, `@<digest>`.
    pub(crate) which: &'a str,
    /// `create` or `delete`.
    pub(crate) operation: &'static str,
}

/// Writes the event of a change.
pub(crate) async fn record(
    tx: &mut Tx,
    grant: &Grant,
    change: Change<'_>,
    now: Timestamp,
) -> Result<()> {
    let resource = format!("{}{}", grant.name(), change.which);
    let event = Event {
        project: Some(grant.project()),
        resource_type: change.resource_type,
        resource: &resource,
        operation: change.operation,
    };
    Ok(audit::record(tx, grant.caller().actor(), event, now).await?)
}
