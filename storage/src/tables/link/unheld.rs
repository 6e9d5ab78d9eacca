//! Links that no manifest holds, and the accounting of those that go.

use std::collections::BTreeMap;

use roadstead_model::{BlobId, ProjectId, RepositoryId, Timestamp};

use super::usage;
use crate::{Result, Tx};

/// A link that went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gone {
    /// Where it was.
    pub repository: RepositoryId,
    /// The blob.
    pub blob: BlobId,
}

/// Removes those of the links whose lease has ended and that no manifest holds; uncounts what
/// their projects do not hold any more.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) when a manifest took hold of one of them at the
/// same moment.
pub async fn remove_expired(
    tx: &mut Tx,
    links: impl IntoIterator<Item = (BlobId, RepositoryId)>,
    now: Timestamp,
) -> Result<Vec<Gone>> {
    let rows: Vec<(i64, i64)> = tx
        .query_quietly(
            "DELETE FROM repo_blob WHERE lease_until <= $1 AND NOT EXISTS (
                 SELECT 1 FROM manifest_blob h
                 WHERE h.repo_id = repo_blob.repo_id AND h.blob_id = repo_blob.blob_id)
             AND ",
        )
        .bind(now.0)
        .push_pairs(
            ["blob_id", "repo_id"],
            links.into_iter().map(|(blob, repository)| (blob.0, repository.0)),
        )
        .push(" RETURNING repo_id, blob_id")
        .fetch_all()
        .await?;
    let gone =
        |(repository, blob)| Gone { repository: RepositoryId(repository), blob: BlobId(blob) };
    let gone: Vec<Gone> = rows.into_iter().map(gone).collect();
    for link in &gone {
        tx.changes_content_of(link.repository);
    }
    for (project, blobs) in by_project(tx, &gone).await? {
        uncount(tx, project, &blobs).await?;
    }
    Ok(gone)
}

async fn by_project(tx: &mut Tx, gone: &[Gone]) -> Result<BTreeMap<ProjectId, Vec<BlobId>>> {
    let rows: Vec<(i64, i64)> = tx
        .query("SELECT id, project_id FROM repository WHERE id IN ")
        .push_list(gone.iter().map(|link| link.repository.0))
        .fetch_all()
        .await?;
    let projects: BTreeMap<i64, i64> = rows.into_iter().collect();
    let mut sorted: BTreeMap<ProjectId, Vec<BlobId>> = BTreeMap::new();
    for link in gone {
        if let Some(project) = projects.get(&link.repository.0) {
            sorted.entry(ProjectId(*project)).or_default().push(link.blob);
        }
    }
    Ok(sorted)
}

/// How many ids one statement names.
const BATCH: usize = 500;

/// Uncounts those of the blobs in a project that none of its repositories links any more, and
/// nothing deleted that counts; their links must be gone. On PostgreSQL the rows are locked before they are judged, so that of two
/// transactions that remove the last two links one sees that it is the last. (The plus keeps SQLite
/// from walking all repositories of the project.)
pub(in crate::tables) async fn uncount(
    tx: &mut Tx,
    project: ProjectId,
    blobs: &[BlobId],
) -> Result<()> {
    let mut blobs = blobs.to_vec();
    // Everybody locks in the same order.
    blobs.sort_unstable();
    for batch in blobs.chunks(BATCH) {
        let ids = || batch.iter().map(|blob| blob.0);
        let lock = tx.row_lock();
        if !lock.is_empty() {
            tx.query("SELECT blob_id FROM project_blob WHERE project_id = $1 AND blob_id IN ")
                .bind(project.0)
                .push_list(ids())
                .push(" ORDER BY blob_id")
                .push(lock)
                .fetch_all::<(i64,)>()
                .await?;
        }
        let gone: Vec<(i64,)> = tx
            .query(
                "DELETE FROM project_blob WHERE project_id = $1
                   AND NOT EXISTS (SELECT 1 FROM repo_blob l JOIN repository r ON r.id = l.repo_id
                                   WHERE l.blob_id = project_blob.blob_id AND +r.project_id = $1)
                   AND NOT EXISTS (SELECT 1 FROM deleted_artifact_blob d
                                   JOIN deleted_artifact a ON a.id = d.artifact_id
                                   WHERE d.blob_id = project_blob.blob_id AND a.counted
                                     AND +a.project_id = $1)
                   AND blob_id IN ",
            )
            .bind(project.0)
            .push_list(ids())
            .push(" RETURNING blob_id")
            .fetch_all()
            .await?;
        let (bytes,): (i64,) = tx
            .query("SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM blob WHERE id IN ")
            .push_list(gone.into_iter().map(|(id,)| id))
            .fetch_one()
            .await?;
        if bytes > 0 {
            usage::add(tx, project, -bytes).await?;
        }
    }
    Ok(())
}
