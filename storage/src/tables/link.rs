//! Links: "this blob is in this repository", the only permission to read it, with the storage
//! accounting that hangs on it.

use std::collections::HashMap;

use roadstead_model::{BlobId, Digest, ProjectId, RepositoryId, Timestamp};

use super::gc_queue;
use super::usage::{self, Warning};
use super::viewer::{SEES_REPOSITORY, Viewer};
use crate::{Conn, Error, Result, Tx};

mod holders;
mod unheld;

pub use holders::{Holder, held_by, holders, links_of};
pub(super) use unheld::uncount;
pub use unheld::{Gone, remove_expired};

/// Links a blob in a repository, or renews its lease, and counts it in the project once.
///
/// # Errors
/// [`Error::OverQuota`] when the project has no room for it.
pub async fn put(
    tx: &mut Tx,
    project: ProjectId,
    repository: RepositoryId,
    blob: BlobId,
    lease_until: Timestamp,
) -> Result<Option<Warning>> {
    tx.query(
        "INSERT INTO repo_blob (repo_id, blob_id, lease_until) VALUES ($1, $2, $3)
         ON CONFLICT (repo_id, blob_id) DO UPDATE SET lease_until = excluded.lease_until
         WHERE repo_blob.lease_until < excluded.lease_until",
    )
    .bind(repository.0)
    .bind(blob.0)
    .bind(lease_until.0)
    .execute()
    .await?;
    resolve_missing(tx, repository, blob).await?;
    gc_queue::link(tx, repository, blob, lease_until).await?;
    count_in(tx, project, blob).await
}

async fn size_of(tx: &mut Tx, blob: BlobId) -> Result<i64> {
    let size = tx.query("SELECT size FROM blob WHERE id = $1").bind(blob.0);
    Ok(size.fetch_one::<(i64,)>().await?.0)
}

async fn count_in(tx: &mut Tx, project: ProjectId, blob: BlobId) -> Result<Option<Warning>> {
    // Whoever uncounts the blob at the same time has removed the row, or waits for this
    // transaction and finds the link.
    while !add_to(tx, project, blob).await? {
        if hold_in(tx, project, blob).await? {
            return Ok(None);
        }
    }
    let size = size_of(tx, blob).await?;
    usage::add(tx, project, size).await
}

async fn add_to(tx: &mut Tx, project: ProjectId, blob: BlobId) -> Result<bool> {
    let added = tx
        .query(
            "INSERT INTO project_blob (project_id, blob_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(project.0)
        .bind(blob.0)
        .execute()
        .await?;
    Ok(added == 1)
}

async fn hold_in(tx: &mut Tx, project: ProjectId, blob: BlobId) -> Result<bool> {
    let row: Option<(i64,)> = tx
        .query_holding(
            "SELECT h.blob_id FROM project_blob h WHERE h.project_id = $1 AND h.blob_id = $2",
            "h",
        )
        .bind(project.0)
        .bind(blob.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Manifests that were pushed before this blob, where that is allowed, hold it from now on.
async fn resolve_missing(tx: &mut Tx, repository: RepositoryId, blob: BlobId) -> Result<()> {
    let resolved = tx
        .query(
            "INSERT INTO manifest_blob (manifest_id, repo_id, blob_id)
             SELECT m.manifest_id, m.repo_id, b.id FROM manifest_missing m
             JOIN blob b ON b.digest = m.digest AND b.size = m.size
             WHERE m.repo_id = $1 AND b.id = $2
             ON CONFLICT DO NOTHING",
        )
        .bind(repository.0)
        .bind(blob.0)
        .execute()
        .await?;
    if resolved > 0 {
        tx.query(
            "DELETE FROM manifest_missing WHERE repo_id = $1
               AND EXISTS (SELECT 1 FROM blob b WHERE b.id = $2
                           AND b.digest = manifest_missing.digest
                           AND b.size = manifest_missing.size)",
        )
        .bind(repository.0)
        .bind(blob.0)
        .execute()
        .await?;
    }
    Ok(())
}

/// When the lease of a link ends; None when the blob is not linked here.
pub async fn lease(
    conn: &mut Conn,
    repository: RepositoryId,
    blob: BlobId,
) -> Result<Option<Timestamp>> {
    let row: Option<(i64,)> = conn
        .query("SELECT lease_until FROM repo_blob WHERE repo_id = $1 AND blob_id = $2")
        .bind(repository.0)
        .bind(blob.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(until,)| Timestamp(until)))
}

/// Extends the lease of a link; false when the link is gone.
pub async fn renew(
    tx: &mut Tx,
    repository: RepositoryId,
    blob: BlobId,
    until: Timestamp,
) -> Result<bool> {
    let renewed = tx
        .query(
            "UPDATE repo_blob SET lease_until = CASE WHEN lease_until < $3 THEN $3
                                                     ELSE lease_until END
             WHERE repo_id = $1 AND blob_id = $2",
        )
        .bind(repository.0)
        .bind(blob.0)
        .bind(until.0)
        .execute()
        .await?;
    Ok(renewed == 1)
}

/// Removes a link; false when there was none.
///
/// # Errors
/// [`Error::Reference`] while a manifest of the repository holds the blob.
pub async fn remove(
    tx: &mut Tx,
    project: ProjectId,
    repository: RepositoryId,
    blob: BlobId,
) -> Result<bool> {
    tx.changes_content_of(repository);
    let removed = tx
        .query_quietly("DELETE FROM repo_blob WHERE repo_id = $1 AND blob_id = $2")
        .bind(repository.0)
        .bind(blob.0)
        .execute()
        .await?;
    if removed == 1 {
        uncount(tx, project, &[blob]).await?;
    }
    Ok(removed == 1)
}

/// Removes every link of a repository, whose manifests must be gone.
pub async fn remove_all_in(
    tx: &mut Tx,
    project: ProjectId,
    repository: RepositoryId,
) -> Result<()> {
    tx.changes_content_of(repository);
    let linked: Vec<(i64,)> = tx
        .query_quietly("DELETE FROM repo_blob WHERE repo_id = $1 RETURNING blob_id")
        .bind(repository.0)
        .fetch_all()
        .await?;
    let blobs: Vec<BlobId> = linked.into_iter().map(|(id,)| BlobId(id)).collect();
    uncount(tx, project, &blobs).await
}

/// A blob of a repository, as a manifest needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The blob.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
}

/// Which of `digests` are linked in the repository.
pub async fn resolve(
    conn: &mut Conn,
    repository: RepositoryId,
    digests: impl IntoIterator<Item = &Digest>,
) -> Result<HashMap<Digest, Linked>> {
    let rows: Vec<(String, i64, i64)> = conn
        .query(
            "SELECT b.digest, b.id, b.size FROM blob b JOIN repo_blob l ON l.blob_id = b.id
             WHERE l.repo_id = $1 AND b.digest IN ",
        )
        .bind(repository.0)
        .push_list(digests.into_iter().map(Digest::as_str))
        .fetch_all()
        .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for (digest, id, size) in rows {
        let digest = digest.parse().map_err(|error| Error::inconsistent("blob", error))?;
        let size = u64::try_from(size).map_err(|error| Error::inconsistent("blob", error))?;
        found.insert(digest, Linked { id: BlobId(id), size });
    }
    Ok(found)
}

/// A repository that links the digest and that the viewer may pull.
pub async fn source(
    conn: &mut Conn,
    digest: &Digest,
    viewer: Viewer,
) -> Result<Option<RepositoryId>> {
    let (everything, principal, via) = viewer.parameters();
    let row: Option<(i64,)> = conn
        .query(
            "SELECT l.repo_id FROM blob b JOIN repo_blob l ON l.blob_id = b.id
             JOIN repository r ON r.id = l.repo_id JOIN project p ON p.id = r.project_id
             WHERE b.digest = $4 AND ",
        )
        .push(SEES_REPOSITORY)
        .push(" LIMIT 1")
        .bind(everything)
        .bind(principal)
        .bind(via)
        .bind(digest.as_str())
        .fetch_optional()
        .await?;
    Ok(row.map(|(id,)| RepositoryId(id)))
}

/// Projects whose counted usage is not what their content adds up to: (project, counted, real).
pub async fn miscounted(conn: &mut Conn) -> Result<Vec<(ProjectId, i64, i64)>> {
    let rows: Vec<(i64, i64, i64)> = conn
        .query(
            "SELECT project_id, used, held FROM (
               SELECT u.project_id, u.used,
                 CAST(COALESCE((SELECT SUM(size) FROM blob WHERE id IN (
                      SELECT l.blob_id FROM repo_blob l JOIN repository r ON r.id = l.repo_id
                      WHERE r.project_id = u.project_id
                      UNION SELECT h.blob_id FROM deleted_artifact_blob h
                      JOIN deleted_artifact a ON a.id = h.artifact_id
                      WHERE a.project_id = u.project_id AND a.counted)), 0)
                    + COALESCE((SELECT SUM(m.size) FROM manifest m
                      JOIN repository r ON r.id = m.repo_id
                      WHERE r.project_id = u.project_id), 0)
                    + COALESCE((SELECT SUM(a.size) FROM deleted_artifact a
                      WHERE a.project_id = u.project_id AND a.counted), 0) AS BIGINT) AS held
               FROM project_usage u) usage WHERE used <> held",
        )
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id, used, held)| (ProjectId(id), used, held)).collect())
}

#[cfg(test)]
mod tests;
