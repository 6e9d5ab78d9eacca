//! What repairs have in common. Nothing here deletes a byte.

use roadstead_model::{Origin, Timestamp};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::blob::{self, Blob, State};
use roadstead_storage::{Db, Tx};

use crate::error::Result;

/// Writes the event of a repair.
pub(super) async fn record(tx: &mut Tx, resource: &str, what: &str, now: Timestamp) -> Result<()> {
    let origin = Origin::default();
    let actor = Actor { principal: None, name: "system", origin: &origin };
    let event = Event::of("storage", resource, "repair").described(what);
    Ok(audit::record(tx, actor, event, now).await?)
}

/// Notes what is known of a blob's object, unless another has taken its place.
pub(super) async fn set_state(db: &Db, row: &Blob, state: State, now: Timestamp) -> Result<()> {
    let mut tx = db.begin().await?;
    blob::set_state(&mut tx, row.id, &row.key, state, now).await?;
    record(&mut tx, row.digest.as_str(), &format!("marked as {}", state.name()), now).await?;
    Ok(tx.commit().await?)
}
