//! What was deleted and is kept for a while: manifests with their bytes, and who hangs on to which
//! blobs. A foreign key keeps collection from those; without a link nobody can read them.

use std::collections::HashMap;

use roadstead_model::{BlobId, ManifestId, ProjectId, RepositoryId, Timestamp};

use super::undelete::Keeping;
use super::{gc_queue, link, usage};
use crate::{Conn, Query, Result, Tx};

mod artifact;
mod end;
mod repository;
mod tag;

pub use artifact::{
    Artifact, Kept, belonging_to, children_of, count_artifacts, find_artifact, labels_of,
    list_artifacts, newest_artifact, of_repository, put_labels, tags_of, take_artifact,
};
pub use end::{Ended, due, end, forget_names, has_due, release, remove_all_in};
pub use repository::{
    Repository, count_repositories, find_repository, keep_repository, list_repositories,
    remove_repository,
};
pub use tag::{
    Tag, count_tags, find_tag, keep_tag, keep_tags_of_repository, list_tags, remove_tag,
};

/// A deletion that is going on.
#[derive(Clone, Copy, Debug)]
pub struct Deletion<'a> {
    /// The project.
    pub project: ProjectId,
    /// The repository's whole name.
    pub repository: &'a str,
    /// Who deletes.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// How it is kept.
    pub keeping: Keeping,
    /// The time.
    pub now: Timestamp,
}

/// Which manifests are deleted.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// These.
    Some(&'a [ManifestId]),
    /// Those of a repository that goes as a whole, under this id among deleted repositories.
    AllIn(RepositoryId, i64),
}

impl Which<'_> {
    fn narrow<'c>(&self, query: Query<'c>) -> Query<'c> {
        match self {
            Self::Some(ids) => query.push("m.id IN ").push_list(ids.iter().map(|id| id.0)),
            Self::AllIn(repository, _) => query.push("m.repo_id = ").push_bind(repository.0),
        }
    }
}

/// Keeps manifests that are about to be deleted, in the transaction that deletes them. They must be
/// locked, or their project.
pub async fn keep(tx: &mut Tx, which: Which<'_>, deletion: &Deletion<'_>) -> Result<()> {
    let whole = match which {
        Which::Some(_) => None,
        Which::AllIn(_, id) => Some(id),
    };
    let query = tx
        .query(
            "INSERT INTO deleted_artifact
                 (id, project_id, repository, digest, media_type, bytes, size, depth, kind,
                  artifact_type, total_size, belongs_to, deleted_repository_id, counted, reason,
                  deleted_at, deleted_by, kept_until)
             SELECT m.id, $1, $2, m.digest, m.media_type, m.bytes, m.size, m.depth, m.kind,
                    m.artifact_type, m.total_size, COALESCE(m.accessory_of, m.subject_digest), $3,
                    $4, $5, $6, $7, $8
             FROM manifest m WHERE ",
        )
        .bind(deletion.project.0)
        .bind(deletion.repository)
        .bind(whole)
        .bind(deletion.keeping.counted)
        .bind(deletion.reason)
        .bind(deletion.now.0)
        .bind(deletion.by)
        .bind(deletion.keeping.until.0);
    which.narrow(query).execute().await?;
    for statement in [
        "INSERT INTO deleted_artifact_blob (artifact_id, blob_id)
         SELECT m.id, h.blob_id FROM manifest m JOIN manifest_blob h ON h.manifest_id = m.id
         WHERE ",
        "INSERT INTO deleted_artifact_child (artifact_id, digest)
         SELECT m.id, k.digest FROM manifest m JOIN manifest_child c ON c.parent_id = m.id
         JOIN manifest k ON k.id = c.child_id WHERE ",
        "INSERT INTO deleted_artifact_label (artifact_id, label_id)
         SELECT m.id, l.label_id FROM manifest m JOIN artifact_label l ON l.manifest_id = m.id
         WHERE ",
    ] {
        which.narrow(tx.query(statement)).execute().await?;
    }
    Ok(())
}

/// Those of the manifests, all of one repository, that something deleted names which can be brought
/// back: as a child of an index, as what it belongs to, or as what a tag named. Until when each is
/// needed for that.
pub async fn needed(conn: &mut Conn, ids: &[ManifestId]) -> Result<HashMap<ManifestId, Timestamp>> {
    let list = || ids.iter().map(|id| id.0);
    let rows: Vec<(i64, i64)> = conn
        .query(
            "SELECT x.id, MAX(x.until) FROM (
               SELECT m.id AS id, a.kept_until AS until FROM manifest m
               JOIN repository r ON r.id = m.repo_id
               JOIN deleted_artifact_child c ON c.digest = m.digest
               JOIN deleted_artifact a ON a.id = c.artifact_id AND a.repository = r.name
               WHERE m.id IN ",
        )
        .push_list(list())
        .push(
            " UNION ALL SELECT m.id, a.kept_until FROM manifest m
               JOIN repository r ON r.id = m.repo_id
               JOIN deleted_artifact a ON a.repository = r.name
                AND a.digest = COALESCE(m.accessory_of, m.subject_digest)
               WHERE m.id IN ",
        )
        .push_list(list())
        .push(
            " UNION ALL SELECT m.id, t.kept_until FROM manifest m
               JOIN repository r ON r.id = m.repo_id
               JOIN deleted_tag t ON t.repository = r.name AND t.digest = m.digest
                AND t.artifact_id IS NULL
               WHERE m.id IN ",
        )
        .push_list(list())
        .push(") x GROUP BY x.id")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id, until)| (ManifestId(id), Timestamp(until))).collect())
}

/// Those of the blobs that something deleted holds, a row for each that does.
pub async fn holders_of(
    conn: &mut Conn,
    blobs: impl IntoIterator<Item = BlobId>,
) -> Result<Vec<(BlobId, i64)>> {
    let rows: Vec<(i64, i64)> = conn
        .query("SELECT blob_id, artifact_id FROM deleted_artifact_blob WHERE blob_id IN ")
        .push_list(blobs.into_iter().map(|blob| blob.0))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(blob, id)| (BlobId(blob), id)).collect())
}

/// Up to `limit` of the deleted artifacts with ids above `after` whose time was over before
/// `before`, by id, each with the size of its manifest.
pub async fn ending(
    conn: &mut Conn,
    before: Timestamp,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, i64)>> {
    conn.query(
        "SELECT id, size FROM deleted_artifact WHERE id > $1 AND kept_until <= $2 ORDER BY id
         LIMIT $3",
    )
    .bind(after)
    .bind(before.0)
    .bind(limit)
    .fetch_all()
    .await
}

/// The blobs that deleted artifacts hold, each once.
pub async fn held_by(conn: &mut Conn, ids: &[i64]) -> Result<Vec<BlobId>> {
    let rows: Vec<(i64,)> = conn
        .query("SELECT DISTINCT blob_id FROM deleted_artifact_blob WHERE artifact_id IN ")
        .push_list(ids.iter().copied())
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| BlobId(id)).collect())
}

/// Up to `limit` of the blobs that deleted artifacts hold, from the one behind `after`, by id.
pub async fn blobs_held(conn: &mut Conn, after: Option<BlobId>, limit: i64) -> Result<Vec<BlobId>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT DISTINCT blob_id FROM deleted_artifact_blob WHERE blob_id > $1
             ORDER BY blob_id LIMIT $2",
        )
        .bind(after.map_or(i64::MIN, |blob| blob.0))
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| BlobId(id)).collect())
}

/// Those of the blobs that no repository links.
pub async fn without_link(
    conn: &mut Conn,
    blobs: impl IntoIterator<Item = BlobId>,
) -> Result<Vec<BlobId>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT b.id FROM blob b
             WHERE NOT EXISTS (SELECT 1 FROM repo_blob l WHERE l.blob_id = b.id) AND b.id IN ",
        )
        .push_list(blobs.into_iter().map(|blob| blob.0))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| BlobId(id)).collect())
}

/// How many deleted artifacts there are, `most` at most.
pub async fn count_up_to(conn: &mut Conn, most: i64) -> Result<i64> {
    let counted = "SELECT COUNT(*) FROM (SELECT id FROM deleted_artifact LIMIT $1) x";
    let (count,) = conn.query(counted).bind(most).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The blobs of a kept artifact, by id.
pub async fn blobs_of(conn: &mut Conn, id: i64) -> Result<Vec<BlobId>> {
    let rows: Vec<(i64,)> = conn
        .query("SELECT blob_id FROM deleted_artifact_blob WHERE artifact_id = $1 ORDER BY blob_id")
        .bind(id)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| BlobId(id)).collect())
}

#[cfg(test)]
mod tests;
