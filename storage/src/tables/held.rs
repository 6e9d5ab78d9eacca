//! What manifests hold: blobs, other manifests, and what is still missing. The foreign keys of
//! these rows are what keeps live content from being collected.

use roadstead_model::{BlobId, Digest, ManifestId, RepositoryId};

use crate::{Conn, Result, Tx};

/// Notes which blobs of its repository a manifest holds.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) when one is not linked there any more.
pub async fn hold_blobs(
    tx: &mut Tx,
    repository: RepositoryId,
    id: ManifestId,
    blobs: impl IntoIterator<Item = BlobId>,
) -> Result<u64> {
    // In ascending order, so that two pushes take PostgreSQL's row locks the same way round.
    tx.query(
        "INSERT INTO manifest_blob (manifest_id, repo_id, blob_id)
         SELECT $1, l.repo_id, l.blob_id FROM repo_blob l
         WHERE l.repo_id = $2 AND l.blob_id IN ",
    )
    .bind(id.0)
    .bind(repository.0)
    .push_list(blobs.into_iter().map(|blob| blob.0))
    .push(" ORDER BY l.blob_id")
    .execute()
    .await
}

/// Notes which manifests of its repository an index holds.
pub async fn hold_children(
    tx: &mut Tx,
    id: ManifestId,
    children: impl IntoIterator<Item = ManifestId>,
) -> Result<u64> {
    tx.query(
        "INSERT INTO manifest_child (parent_id, child_id)
         SELECT $1, m.id FROM manifest m WHERE m.id IN ",
    )
    .bind(id.0)
    .push_list(children.into_iter().map(|child| child.0))
    .push(" ORDER BY m.id")
    .execute()
    .await
}

/// Notes what a manifest names and its repository lacks.
pub async fn note_missing(
    tx: &mut Tx,
    repository: RepositoryId,
    id: ManifestId,
    digest: &Digest,
    size: u64,
) -> Result<()> {
    tx.query(
        "INSERT INTO manifest_missing (manifest_id, repo_id, digest, size) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(id.0)
    .bind(repository.0)
    .bind(digest.as_str())
    .bind(i64::try_from(size).unwrap_or(i64::MAX))
    .execute()
    .await?;
    Ok(())
}

/// Indexes that named this manifest before it was there hold it from now on, whether it was
/// missing or there as a blob.
pub async fn adopt(
    tx: &mut Tx,
    repository: RepositoryId,
    id: ManifestId,
    digest: &Digest,
    size: u64,
) -> Result<()> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let adopted = tx
        .query(
            "INSERT INTO manifest_child (parent_id, child_id)
         SELECT m.manifest_id, $1 FROM manifest_missing m JOIN manifest p ON p.id = m.manifest_id
         WHERE m.repo_id = $2 AND m.digest = $3 AND m.size = $4 AND p.is_index
         UNION SELECT h.manifest_id, $1 FROM manifest_blob h
         JOIN blob b ON b.id = h.blob_id JOIN manifest p ON p.id = h.manifest_id
         WHERE h.repo_id = $2 AND b.digest = $3 AND p.is_index",
        )
        .bind(id.0)
        .bind(repository.0)
        .bind(digest.as_str())
        .bind(size)
        .execute()
        .await?;
    if adopted == 0 {
        return Ok(());
    }
    tx.query(
        "UPDATE manifest SET total_size = total_size
             + (SELECT k.total_size FROM manifest k WHERE k.id = $1)
         WHERE id IN (SELECT c.parent_id FROM manifest_child c WHERE c.child_id = $1)",
    )
    .bind(id.0)
    .execute()
    .await?;
    tx.query(
        "DELETE FROM manifest_missing WHERE repo_id = $1 AND digest = $2 AND size = $3
           AND EXISTS (SELECT 1 FROM manifest_child c
                       WHERE c.parent_id = manifest_missing.manifest_id AND c.child_id = $4)",
    )
    .bind(repository.0)
    .bind(digest.as_str())
    .bind(size)
    .bind(id.0)
    .execute()
    .await?;
    Ok(())
}

/// The digest of an index that holds the manifest.
pub async fn parent_of(conn: &mut Conn, id: ManifestId) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .query(
            "SELECT m.digest FROM manifest m JOIN manifest_child c ON c.parent_id = m.id
             WHERE c.child_id = $1 ORDER BY m.id LIMIT 1",
        )
        .bind(id.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(digest,)| digest))
}

/// The digest of a manifest of the repository that holds the blob.
pub async fn holder_of(
    conn: &mut Conn,
    repository: RepositoryId,
    blob: BlobId,
) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .query(
            "SELECT m.digest FROM manifest m JOIN manifest_blob h ON h.manifest_id = m.id
             WHERE h.repo_id = $1 AND h.blob_id = $2 ORDER BY m.id LIMIT 1",
        )
        .bind(repository.0)
        .bind(blob.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(digest,)| digest))
}

/// The digests that the rows say a manifest refers to: held blobs, children, and what is missing.
pub async fn held_digests(conn: &mut Conn, id: ManifestId) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT b.digest FROM manifest_blob h JOIN blob b ON b.id = h.blob_id
             WHERE h.manifest_id = $1
             UNION SELECT m.digest FROM manifest_child c JOIN manifest m ON m.id = c.child_id
             WHERE c.parent_id = $1
             UNION SELECT digest FROM manifest_missing WHERE manifest_id = $1",
        )
        .bind(id.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(digest,)| digest).collect())
}

#[cfg(test)]
mod tests;
