//! What collection should look at: rows that lost a reference.

use roadstead_model::{BlobId, ManifestId, RepositoryId, Timestamp};

use crate::{Result, Tx};

const ENQUEUE: &str = "INSERT INTO gc_queue (kind, target_id, repo_id, not_before)";

/// A blob whose link in a repository went away.
pub async fn blob(tx: &mut Tx, blob: BlobId, not_before: Timestamp) -> Result<()> {
    tx.query(ENQUEUE)
        .push(" VALUES ('blob', $1, 0, $2) ON CONFLICT DO NOTHING")
        .bind(blob.0)
        .bind(not_before.0)
        .execute()
        .await?;
    Ok(())
}

/// The links and children of a manifest that is about to go.
pub async fn references_of(
    tx: &mut Tx,
    repository: RepositoryId,
    manifest: ManifestId,
    not_before: Timestamp,
) -> Result<()> {
    tx.query(ENQUEUE)
        .push(
            " SELECT 'link', blob_id, repo_id, $1 FROM manifest_blob WHERE manifest_id = $2
              ON CONFLICT DO NOTHING",
        )
        .bind(not_before.0)
        .bind(manifest.0)
        .execute()
        .await?;
    tx.query(ENQUEUE)
        .push(
            " SELECT 'manifest', child_id, $1, $2 FROM manifest_child WHERE parent_id = $3
              ON CONFLICT DO NOTHING",
        )
        .bind(repository.0)
        .bind(not_before.0)
        .bind(manifest.0)
        .execute()
        .await?;
    Ok(())
}

/// A manifest that lost a tag.
pub async fn manifest(
    tx: &mut Tx,
    repository: RepositoryId,
    manifest: ManifestId,
    not_before: Timestamp,
) -> Result<()> {
    tx.query(ENQUEUE)
        .push(" VALUES ('manifest', $1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(manifest.0)
        .bind(repository.0)
        .bind(not_before.0)
        .execute()
        .await?;
    Ok(())
}

/// The blobs of a repository that is about to go, in place of what was queued of it.
pub async fn repository(
    tx: &mut Tx,
    repository: RepositoryId,
    not_before: Timestamp,
) -> Result<()> {
    tx.query("DELETE FROM gc_queue WHERE repo_id = $1").bind(repository.0).execute().await?;
    tx.query(ENQUEUE)
        .push(
            " SELECT 'blob', blob_id, 0, $1 FROM repo_blob WHERE repo_id = $2
              ON CONFLICT DO NOTHING",
        )
        .bind(not_before.0)
        .bind(repository.0)
        .execute()
        .await?;
    Ok(())
}
