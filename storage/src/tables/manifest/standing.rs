//! What keeps a manifest, for whoever wants to collect it.

use roadstead_model::{ManifestId, ProjectId, RepositoryId, Timestamp};

use crate::tables::gc_queue;
use crate::{Conn, Result, Tx};

/// A manifest that may be garbage, and what speaks against it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Standing {
    /// The manifest.
    pub id: ManifestId,
    /// Where it is.
    pub repository: RepositoryId,
    /// The repository's name.
    pub repository_name: String,
    /// The project.
    pub project: ProjectId,
    /// Its digest.
    pub digest: String,
    /// Its length in bytes.
    pub size: i64,
    /// When it was pushed.
    pub created_at: Timestamp,
    /// Whether a tag names it.
    pub tagged: bool,
    /// Whether an index holds it.
    pub held: bool,
    /// Whether it refers to a manifest that is there, or signs one by its tag.
    pub refers: bool,
    /// Whether it has tags, and they say no more than what it signs.
    pub only_signs: bool,
}

type Row = (i64, i64, String, i64, String, i64, i64, bool, bool, bool, bool);

/// Keeps manifests from getting tags, parents and referrers until the transaction ends; returns
/// those that are there. On PostgreSQL, what is known of them must be read by a later statement.
pub async fn lock(tx: &mut Tx, ids: &[ManifestId]) -> Result<Vec<ManifestId>> {
    let tail = tx.row_lock();
    let rows: Vec<(i64,)> = tx
        .query("SELECT id FROM manifest WHERE id IN ")
        .push_list(ids.iter().map(|id| id.0))
        .push(" ORDER BY id")
        .push(tail)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| ManifestId(id)).collect())
}

/// How manifests stand; those that are gone are left out.
pub async fn of(conn: &mut Conn, ids: &[ManifestId]) -> Result<Vec<Standing>> {
    let rows: Vec<Row> = conn
        .query(
            "SELECT m.id, m.repo_id, r.name, r.project_id, m.digest, m.size, m.created_at,
                    EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id),
                    EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = m.id),
                    EXISTS (SELECT 1 FROM manifest s WHERE s.repo_id = m.repo_id
                            AND s.digest = COALESCE(m.subject_digest, m.accessory_of)),
                    m.subject_digest IS NULL AND m.accessory_of IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id
                        AND (t.immutable OR t.name <> REPLACE(m.accessory_of, ':', '-') || '.sig'))
             FROM manifest m JOIN repository r ON r.id = m.repo_id WHERE m.id IN ",
        )
        .push_list(ids.iter().map(|id| id.0))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(standing).collect())
}

fn standing(row: Row) -> Standing {
    let (.., tagged, held, refers, only_signs) = row;
    let (id, repository, repository_name, project, digest, size, created, ..) = row;
    Standing {
        id: ManifestId(id),
        repository: RepositoryId(repository),
        repository_name,
        project: ProjectId(project),
        digest,
        size,
        created_at: Timestamp(created),
        tagged,
        held,
        refers,
        only_signs,
    }
}

/// The children of indexes, each with an index that holds it: a row for each of all its parents.
pub async fn children_of(
    conn: &mut Conn,
    indexes: impl IntoIterator<Item = ManifestId>,
) -> Result<Vec<(ManifestId, ManifestId)>> {
    let rows: Vec<(i64, i64)> = conn
        .query(
            "SELECT c.child_id, c.parent_id FROM manifest_child c WHERE c.child_id IN
                 (SELECT g.child_id FROM manifest_child g WHERE g.parent_id IN ",
        )
        .push_list(indexes.into_iter().map(|id| id.0))
        .push(")")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(child, parent)| (ManifestId(child), ManifestId(parent))).collect())
}

/// What refers to manifests, or signs them by its tag.
pub async fn referrers_of(
    conn: &mut Conn,
    subjects: impl IntoIterator<Item = ManifestId, IntoIter: Clone>,
) -> Result<Vec<ManifestId>> {
    let subjects = subjects.into_iter().map(|id| id.0);
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT m.id FROM manifest s
             JOIN manifest m ON m.repo_id = s.repo_id AND m.subject_digest = s.digest
             WHERE s.id IN ",
        )
        .push_list(subjects.clone())
        .push(
            " UNION ALL SELECT m.id FROM manifest s
             JOIN manifest m ON m.repo_id = s.repo_id AND m.accessory_of = s.digest
              AND m.subject_digest IS NULL
             WHERE s.id IN ",
        )
        .push_list(subjects)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| ManifestId(id)).collect())
}

/// Whether a manifest is among the `keep` newest of those in its repository that nothing holds.
pub async fn among_newest(
    conn: &mut Conn,
    standing: &Standing,
    keep: i64,
    now: Timestamp,
) -> Result<bool> {
    let (repository, id) = (standing.repository, standing.id);
    Ok(keep > 0 && gc_queue::newer(conn, repository, id, now, keep).await? < keep)
}

/// Removes manifests that have no tags, and, by cascade, what they hold.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) while a tag names one of them or an index holds
/// one.
pub async fn remove_all(tx: &mut Tx, ids: &[ManifestId]) -> Result<u64> {
    let gone: Vec<(i64,)> = tx
        .query_quietly("DELETE FROM manifest WHERE id IN ")
        .push_list(ids.iter().map(|id| id.0))
        .push(" RETURNING repo_id")
        .fetch_all()
        .await?;
    for (repository,) in &gone {
        tx.changes_content_of(RepositoryId(*repository));
    }
    Ok(gone.len() as u64)
}

#[cfg(test)]
mod tests;
