//! What collection looks at. Every row that nothing refers to is in this queue: whoever takes a
//! reference away, or makes a row that nothing refers to yet, puts it in; whoever refers to it
//! takes it out. So collection costs as much as there is garbage, however large the store.
//!
//! Rows are put in by statements that change a row which is there already: on PostgreSQL that
//! waits for a worker who looks at the row just now, and puts it in again behind him.

use roadstead_model::{BlobId, ManifestId, RepositoryId, Timestamp};

use crate::{Result, Tx};

mod due;

pub(crate) use due::newer;
pub use due::{
    Backlog, Entry, PARKED, backlog, defer, defer_links, due, has_due, remove, remove_idle, take,
    wake, wake_beyond, walk,
};

/// What is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A manifest without a tag and without an index that holds it.
    Manifest,
    /// A manifest whose subject was deleted.
    Referrer,
    /// A blob's link in a repository that no manifest holds.
    Link,
    /// A blob without links.
    Blob,
}

impl Kind {
    /// All of them, in the order in which they set each other free.
    pub const ALL: [Self; 4] = [Self::Referrer, Self::Manifest, Self::Link, Self::Blob];

    /// The word in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Referrer => "referrer",
            Self::Link => "link",
            Self::Blob => "blob",
        }
    }
}

const SOONER: &str = " ON CONFLICT (kind, target_id, repo_id)
    DO UPDATE SET not_before = excluded.not_before, since = excluded.since, attempts = 0";
const UNTAGGED: &str = " ON CONFLICT (kind, target_id, repo_id)
    DO UPDATE SET not_before = excluded.not_before, since = excluded.since, attempts = 0,
        lease_until = CASE WHEN gc_queue.lease_until < excluded.lease_until
                           THEN excluded.lease_until ELSE gc_queue.lease_until END";

/// A blob whose link in a repository went away.
pub async fn blob(tx: &mut Tx, blob: BlobId, now: Timestamp) -> Result<()> {
    blobs(tx, [blob], now).await
}

/// Blobs whose links in a repository went away.
pub async fn blobs(
    tx: &mut Tx,
    blobs: impl IntoIterator<Item = BlobId>,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since)
         SELECT 'blob', id, 0, $1, $1 FROM blob WHERE id IN ",
    )
    .bind(now.0)
    .push_list(blobs.into_iter().map(|blob| blob.0))
    .push(" ORDER BY id")
    .push(SOONER)
    .execute()
    .await?;
    Ok(())
}

/// A link that was made or renewed, unless a manifest holds it: it goes when its lease has ended.
pub async fn link(
    tx: &mut Tx,
    repository: RepositoryId,
    blob: BlobId,
    lease_until: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since)
         SELECT 'link', CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), 0
         WHERE NOT EXISTS (SELECT 1 FROM manifest_blob WHERE repo_id = $2 AND blob_id = $1)",
    )
    .push(SOONER)
    .bind(blob.0)
    .bind(repository.0)
    .bind(lease_until.0)
    .execute()
    .await?;
    Ok(())
}

/// Links that a manifest holds from now on.
pub async fn links_held(
    tx: &mut Tx,
    repository: RepositoryId,
    blobs: impl IntoIterator<Item = BlobId>,
) -> Result<()> {
    tx.query("DELETE FROM gc_queue WHERE kind = 'link' AND repo_id = $1 AND target_id IN ")
        .bind(repository.0)
        .push_list(blobs.into_iter().map(|blob| blob.0))
        .execute()
        .await?;
    Ok(())
}

/// A manifest that lost a tag, or that was pushed without one: then it is left alone until
/// `lease_until`, because an index that names it may follow.
pub async fn manifest(
    tx: &mut Tx,
    repository: RepositoryId,
    manifest: ManifestId,
    now: Timestamp,
    lease_until: Option<Timestamp>,
) -> Result<()> {
    tx.query(
        "INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since, lease_until)
         VALUES ('manifest', $1, $2, $3, $4, $5)",
    )
    .push(UNTAGGED)
    .bind(manifest.0)
    .bind(repository.0)
    .bind(lease_until.unwrap_or(now).0)
    .bind(now.0)
    .bind(lease_until.map_or(0, |until| until.0))
    .execute()
    .await?;
    Ok(())
}

/// Manifests that have a tag, or an index that holds them, from now on.
pub async fn manifests_held(
    tx: &mut Tx,
    repository: RepositoryId,
    manifests: impl IntoIterator<Item = ManifestId>,
) -> Result<()> {
    tx.query("DELETE FROM gc_queue WHERE kind = 'manifest' AND repo_id = $1 AND target_id IN ")
        .bind(repository.0)
        .push_list(manifests.into_iter().map(|manifest| manifest.0))
        .execute()
        .await?;
    Ok(())
}

/// The links and children of manifests of a repository that are about to go, and, until
/// `referrers_until` at least left alone, what refers to them. The manifests must be locked.
pub async fn references_of(
    tx: &mut Tx,
    repository: RepositoryId,
    manifests: &[ManifestId],
    now: Timestamp,
    referrers_until: Timestamp,
) -> Result<()> {
    let ids = || manifests.iter().map(|id| id.0);
    tx.query(
        "INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since)
         SELECT 'link', l.blob_id, l.repo_id,
                CASE WHEN l.lease_until > $1 THEN l.lease_until ELSE $1 END, $1 FROM repo_blob l
         WHERE l.repo_id = $2 AND l.blob_id IN
               (SELECT h.blob_id FROM manifest_blob h WHERE h.manifest_id IN ",
    )
    .bind(now.0)
    .bind(repository.0)
    .push_list(ids())
    .push(") ORDER BY l.blob_id")
    .push(SOONER)
    .execute()
    .await?;
    tx.query(
        "INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since)
         SELECT 'manifest', m.id, m.repo_id, $1, $1 FROM manifest m
         WHERE m.repo_id = $2 AND m.id IN
               (SELECT c.child_id FROM manifest_child c WHERE c.parent_id IN ",
    )
    .bind(now.0)
    .bind(repository.0)
    .push_list(ids())
    .push(") ORDER BY m.id")
    .push(UNTAGGED)
    .execute()
    .await?;
    // What signs by its tag has no subject.
    for belongs in ["m.subject_digest", "m.subject_digest IS NULL AND m.accessory_of"] {
        tx.query(
            "INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since)
             SELECT 'referrer', m.id, m.repo_id, $1, $2 FROM manifest m
             WHERE m.repo_id = $3 AND ",
        )
        .push(belongs)
        .push(" IN (SELECT s.digest FROM manifest s WHERE s.id IN ")
        .bind(referrers_until.0)
        .bind(now.0)
        .bind(repository.0)
        .push_list(ids())
        .push(") ORDER BY m.id")
        .push(SOONER)
        .execute()
        .await?;
    }
    tx.query(
        "DELETE FROM gc_queue WHERE kind IN ('manifest', 'referrer') AND repo_id = $1
           AND target_id IN ",
    )
    .bind(repository.0)
    .push_list(ids())
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
    tx.query(
        "INSERT INTO gc_queue (kind, target_id, repo_id, not_before, since)
         SELECT 'blob', blob_id, 0, $1, $1 FROM repo_blob WHERE repo_id = $2 ORDER BY blob_id",
    )
    .push(SOONER)
    .bind(not_before.0)
    .bind(repository.0)
    .execute()
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
