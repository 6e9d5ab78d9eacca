//! Repositories that were deleted as a whole.

use roadstead_model::{ProjectId, RepositoryId, Timestamp};

use super::Deletion;
use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

/// A repository that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The id among deleted repositories.
    pub id: i64,
    /// Its whole name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// How many manifests it had.
    pub artifacts: i64,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// By whom.
    pub deleted_by: String,
    /// It can be brought back until then.
    pub kept_until: Timestamp,
}

/// Keeps the name and the description of a repository that is about to be deleted; returns its id
/// among deleted repositories.
pub async fn keep_repository(
    tx: &mut Tx,
    repository: RepositoryId,
    deletion: &Deletion<'_>,
) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .query(
            "INSERT INTO deleted_repository
                 (project_id, name, description, artifacts, deleted_at, deleted_by, kept_until)
             SELECT r.project_id, r.name, r.description,
                    (SELECT COUNT(*) FROM manifest m WHERE m.repo_id = r.id), $2, $3, $4
             FROM repository r WHERE r.id = $1 RETURNING id",
        )
        .bind(repository.0)
        .bind(deletion.now.0)
        .bind(deletion.by)
        .bind(deletion.keeping.until.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(id,)| id))
}

type Row = (i64, String, String, i64, i64, String, i64);

const SELECT: &str = "SELECT d.id, d.name, d.description, d.artifacts, d.deleted_at, d.deleted_by,
            d.kept_until";

fn repository((id, name, description, artifacts, at, by, until): Row) -> Repository {
    Repository {
        id,
        name,
        description,
        artifacts,
        deleted_at: Timestamp(at),
        deleted_by: by,
        kept_until: Timestamp(until),
    }
}

fn narrowed<'c>(query: Query<'c>, project: ProjectId, conditions: &[Condition]) -> Query<'c> {
    let query = query.push(" FROM deleted_repository d WHERE d.project_id = ").push_bind(project.0);
    query.narrowed(conditions)
}

/// A page of the deleted repositories of a project; `order` is (column, descending).
pub async fn list_repositories(
    conn: &mut Conn,
    project: ProjectId,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    (limit, offset): (i64, i64),
) -> Result<Vec<Repository>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT), project, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(repository).collect())
}

/// How many [`list_repositories`] has.
pub async fn count_repositories(
    conn: &mut Conn,
    project: ProjectId,
    conditions: &[Condition],
) -> Result<i64> {
    let query = narrowed(conn.query("SELECT COUNT(*)"), project, conditions);
    Ok(query.fetch_one::<(i64,)>().await?.0)
}

/// A deleted repository of a project.
pub async fn find_repository(
    conn: &mut Conn,
    project: ProjectId,
    id: i64,
) -> Result<Option<Repository>> {
    let row: Option<Row> = narrowed(conn.query(SELECT), project, &[])
        .push(" AND d.id = ")
        .push_bind(id)
        .fetch_optional()
        .await?;
    Ok(row.map(repository))
}

/// Forgets that a repository was deleted, not what was in it; false when it is gone.
pub async fn remove_repository(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(tx.query("DELETE FROM deleted_repository WHERE id = $1").bind(id).execute().await? == 1)
}
