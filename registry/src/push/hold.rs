//! What a manifest names is kept from being collected.

use roadstead_model::{ManifestId, RepositoryId};
use roadstead_storage::tables::{gc_queue, held};
use roadstead_storage::{Error as StorageError, Tx};

use super::Resolved;
use crate::error::Result;

/// Writes the rows that keep what a manifest names, which so is no garbage any more.
pub(super) async fn hold(
    tx: &mut Tx,
    repository: RepositoryId,
    id: ManifestId,
    resolved: &Resolved,
) -> Result<()> {
    let (blobs, children) = (&resolved.blobs, &resolved.children);
    let held_blobs = held::hold_blobs(tx, repository, id, blobs.iter().copied()).await?;
    let held_children = held::hold_children(tx, id, children.iter().copied()).await?;
    if (held_blobs, held_children) != (blobs.len() as u64, children.len() as u64) {
        // Collected since it was resolved.
        return Err(StorageError::Reference.into());
    }
    for named in &resolved.missing {
        held::note_missing(tx, repository, id, &named.digest, named.size).await?;
    }
    if !blobs.is_empty() {
        gc_queue::links_held(tx, repository, blobs.iter().copied()).await?;
    }
    if !children.is_empty() {
        gc_queue::manifests_held(tx, repository, children.iter().copied()).await?;
    }
    Ok(())
}
