//! Which digests tags named: a row for each time that one began to name something else.

use roadstead_model::{ProjectId, RepositoryId, Timestamp};

use crate::filter::Condition;
use crate::{Conn, Result, Tx};

/// A tag that names something else from now on.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// The project.
    pub project: ProjectId,
    /// The repository's whole name.
    pub repository: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// What it named; None when it is new.
    pub from: Option<&'a str>,
    /// What it names; None when it is deleted.
    pub to: Option<&'a str>,
    /// Who did it.
    pub by: &'a str,
}

/// Notes that a tag moved.
pub async fn record(tx: &mut Tx, moved: Move<'_>, now: Timestamp) -> Result<()> {
    tx.query(
        "INSERT INTO tag_history
             (project_id, repository, tag, old_digest, new_digest, moved_by, moved_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(moved.project.0)
    .bind(moved.repository)
    .bind(moved.tag)
    .bind(moved.from.map(str::to_owned))
    .bind(moved.to.map(str::to_owned))
    .bind(moved.by)
    .bind(now.0)
    .execute()
    .await?;
    Ok(())
}

/// Notes that every tag of a repository is about to be deleted; nobody else may change its tags.
pub async fn record_removal_of_all(
    tx: &mut Tx,
    repository: RepositoryId,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO tag_history
             (project_id, repository, tag, old_digest, new_digest, moved_by, moved_at)
         SELECT r.project_id, r.name, t.name, m.digest, NULL, $2, $3
         FROM tag t JOIN manifest m ON m.id = t.manifest_id JOIN repository r ON r.id = t.repo_id
         WHERE t.repo_id = $1 ORDER BY t.name",
    )
    .bind(repository.0)
    .bind(by)
    .bind(now.0)
    .execute()
    .await?;
    Ok(())
}

/// A row of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The id; later ones are larger.
    pub id: i64,
    /// The tag.
    pub tag: String,
    /// What it named; None when it was made.
    pub from: Option<String>,
    /// What it named from then on; None when it was deleted.
    pub to: Option<String>,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

type Row = (i64, String, Option<String>, Option<String>, String, i64);

/// The history of a repository's tags, what happened last first; `limit` rows from `offset`.
pub async fn list(
    conn: &mut Conn,
    project: ProjectId,
    repository: &str,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    (limit, offset): (i64, i64),
) -> Result<Vec<Moved>> {
    let rows: Vec<Row> = conn
        .query(
            "SELECT id, tag, old_digest, new_digest, moved_by, moved_at FROM tag_history
             WHERE project_id = $1 AND repository = $2",
        )
        .bind(project.0)
        .bind(repository)
        .narrowed(conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    let moved = |(id, tag, from, to, by, at)| Moved { id, tag, from, to, by, at: Timestamp(at) };
    Ok(rows.into_iter().map(moved).collect())
}

/// How many rows [`list`] has.
pub async fn count(
    conn: &mut Conn,
    project: ProjectId,
    repository: &str,
    conditions: &[Condition],
) -> Result<i64> {
    let query = conn
        .query("SELECT COUNT(*) FROM tag_history WHERE project_id = $1 AND repository = $2")
        .bind(project.0)
        .bind(repository);
    Ok(query.narrowed(conditions).fetch_one::<(i64,)>().await?.0)
}

/// Forgets up to `limit` rows from before `before`; how many there were.
pub async fn forget(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM tag_history WHERE id IN
             (SELECT id FROM tag_history WHERE moved_at < $1 ORDER BY moved_at LIMIT $2)",
    )
    .bind(before.0)
    .bind(limit)
    .execute()
    .await
}

/// Whether there is a row from before `before`.
pub async fn has_older(conn: &mut Conn, before: Timestamp) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT id FROM tag_history WHERE moved_at < $1 LIMIT 1")
        .bind(before.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

#[cfg(test)]
mod tests;
