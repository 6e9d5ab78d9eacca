//! The end of what was deleted: its time is over, somebody wants it gone, or it was brought back.

use std::collections::BTreeMap;

use roadstead_model::{BlobId, ProjectId, Timestamp};

use super::{gc_queue, link, usage};
use crate::{Conn, Result, Tx};

/// A deleted artifact that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The id that it had.
    pub id: i64,
    /// The project.
    pub project: ProjectId,
    /// The repository's whole name.
    pub repository: String,
    /// Its digest.
    pub digest: String,
    /// The size of its manifest.
    pub size: i64,
    /// Whether that counts in the quota.
    counted: bool,
}

type Row = (i64, i64, String, String, bool, i64);

fn ended((id, project, repository, digest, counted, size): Row) -> Ended {
    Ended { id, project: ProjectId(project), repository, digest, size, counted }
}

/// Up to `limit` deleted artifacts whose time was over before `before`, for this transaction alone.
pub async fn due(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<Ended>> {
    let tail = tx.skip_locked();
    let rows: Vec<Row> = tx
        .query(
            "SELECT id, project_id, repository, digest, counted, size FROM deleted_artifact
             WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2",
        )
        .push(tail)
        .bind(before.0)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(ended).collect())
}

/// Whether something deleted has a time that was over before `before`.
pub async fn has_due(conn: &mut Conn, before: Timestamp) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query(
            "SELECT id FROM (
                 SELECT id FROM deleted_artifact WHERE kept_until <= $1
                 UNION ALL SELECT id FROM deleted_tag WHERE kept_until <= $1
                 UNION ALL SELECT id FROM deleted_repository WHERE kept_until <= $1) x LIMIT 1",
        )
        .bind(before.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// A deleted artifact of a project, for this transaction alone; None when it is gone.
pub async fn release(tx: &mut Tx, project: ProjectId, id: i64) -> Result<Option<Ended>> {
    let row: Option<Row> = tx
        .query_locking(
            "SELECT a.id, a.project_id, a.repository, a.digest, a.counted, a.size
             FROM deleted_artifact a WHERE a.project_id = $1 AND a.id = $2",
            "a",
        )
        .bind(project.0)
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(row.map(ended))
}

/// Keeps deleted artifacts no longer: what counted does not count any more unless something else
/// holds it, and collection looks at their blobs.
pub async fn end(tx: &mut Tx, artifacts: &[Ended], now: Timestamp) -> Result<()> {
    if artifacts.is_empty() {
        return Ok(());
    }
    let ids = || artifacts.iter().map(|ended| ended.id);
    let rows: Vec<(i64, i64, bool)> = tx
        .query(
            "SELECT a.project_id, h.blob_id, a.counted FROM deleted_artifact_blob h
             JOIN deleted_artifact a ON a.id = h.artifact_id WHERE a.id IN ",
        )
        .push_list(ids())
        .fetch_all()
        .await?;
    tx.query("DELETE FROM deleted_artifact WHERE id IN ").push_list(ids()).execute().await?;
    let (mut blobs, mut counted): (Vec<i64>, BTreeMap<ProjectId, Vec<BlobId>>) = Default::default();
    for (project, blob, counts) in rows {
        blobs.push(blob);
        if counts {
            counted.entry(ProjectId(project)).or_default().push(BlobId(blob));
        }
    }
    blobs.sort_unstable();
    blobs.dedup();
    gc_queue::blobs(tx, blobs.into_iter().map(BlobId), now).await?;
    for (project, mut blobs) in counted {
        blobs.sort_unstable();
        blobs.dedup();
        link::uncount(tx, project, &blobs).await?;
    }
    let mut bytes: BTreeMap<ProjectId, i64> = BTreeMap::new();
    for ended in artifacts {
        *bytes.entry(ended.project).or_default() += if ended.counted { ended.size } else { 0 };
    }
    for (project, bytes) in bytes {
        if bytes > 0 {
            usage::add(tx, project, -bytes).await?;
        }
    }
    Ok(())
}

/// Forgets up to `limit` of each of the deleted tags and repositories whose time was over before
/// `before`; how many there were.
pub async fn forget_names(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    let mut gone = 0;
    for statement in [
        "DELETE FROM deleted_tag WHERE id IN
             (SELECT id FROM deleted_tag WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2)",
        "DELETE FROM deleted_repository WHERE id IN
             (SELECT id FROM deleted_repository WHERE kept_until <= $1
              ORDER BY kept_until LIMIT $2)",
    ] {
        gone += tx.query(statement).bind(before.0).bind(limit).execute().await?;
    }
    Ok(gone)
}

/// Keeps nothing of a project any longer, which is about to be deleted.
pub async fn remove_all_in(tx: &mut Tx, project: ProjectId, now: Timestamp) -> Result<()> {
    let rows: Vec<Row> = tx
        .query(
            "SELECT id, project_id, repository, digest, counted, size FROM deleted_artifact
             WHERE project_id = $1",
        )
        .bind(project.0)
        .fetch_all()
        .await?;
    let ended: Vec<Ended> = rows.into_iter().map(ended).collect();
    for some in ended.chunks(500) {
        end(tx, some, now).await?;
    }
    for statement in [
        "DELETE FROM deleted_tag WHERE project_id = $1",
        "DELETE FROM deleted_repository WHERE project_id = $1",
        "DELETE FROM tag_history WHERE project_id = $1",
        "DELETE FROM project_undelete WHERE project_id = $1",
    ] {
        tx.query(statement).bind(project.0).execute().await?;
    }
    Ok(())
}
