//! The audit trail of content: one event for each change, in its transaction.

use roadstead_auth::Grant;
use roadstead_model::Timestamp;
use roadstead_storage::Tx;
use roadstead_storage::tables::audit::{self, Event};
use roadstead_storage::tables::usage::Warning;

use crate::error::Result;
use crate::events;

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
    let event = Event::of(change.resource_type, &resource, change.operation);
    let event = event.in_project(grant.project());
    Ok(audit::record(tx, grant.caller().actor(), event, now).await?)
}

/// Writes that a project came near its quota, if it did.
pub(crate) async fn warn_of_quota(
    tx: &mut Tx,
    grant: &Grant,
    warning: Option<Warning>,
    now: Timestamp,
) -> Result<()> {
    let Some(Warning { used, quota }) = warning else {
        return Ok(());
    };
    let project = grant.name().project();
    tracing::warn!(project, used, quota, "a project came near its storage quota");
    let text = format!("{used} of {quota} bytes are used");
    events::quota_nearly_full(tx, grant, &text, now).await?;
    let event = Event::of("quota", project, "warn").in_project(grant.project()).described(&text);
    Ok(audit::record(tx, grant.caller().actor(), event, now).await?)
}
