//! Deleted tags.

use roadstead_model::{ProjectId, RepositoryId, Timestamp};

use super::Deletion;
use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

/// A tag that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The id among deleted tags.
    pub id: i64,
    /// The repository's whole name.
    pub repository: String,
    /// The tag.
    pub name: String,
    /// What it named.
    pub digest: String,
    /// The kept artifact that it was deleted together with.
    pub artifact: Option<i64>,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// By whom.
    pub deleted_by: String,
    /// It can be brought back until then.
    pub kept_until: Timestamp,
}

/// Keeps a tag that is deleted, alone or together with the artifact that it names.
pub async fn keep_tag(
    tx: &mut Tx,
    name: &str,
    digest: &str,
    artifact: Option<i64>,
    deletion: &Deletion<'_>,
) -> Result<()> {
    tx.query(
        "INSERT INTO deleted_tag (project_id, repository, name, digest, artifact_id, deleted_at,
                                  deleted_by, kept_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(deletion.project.0)
    .bind(deletion.repository)
    .bind(name)
    .bind(digest)
    .bind(artifact)
    .bind(deletion.now.0)
    .bind(deletion.by)
    .bind(deletion.keeping.until.0)
    .execute()
    .await?;
    Ok(())
}

/// The same for all tags of a repository whose artifacts are kept already.
pub async fn keep_tags_of_repository(
    tx: &mut Tx,
    repository: RepositoryId,
    deletion: &Deletion<'_>,
) -> Result<()> {
    tx.query(
        "INSERT INTO deleted_tag (project_id, repository, name, digest, artifact_id, deleted_at,
                                  deleted_by, kept_until)
         SELECT $1, $2, t.name, m.digest, m.id, $3, $4, $5
         FROM tag t JOIN manifest m ON m.id = t.manifest_id WHERE t.repo_id = $6",
    )
    .bind(deletion.project.0)
    .bind(deletion.repository)
    .bind(deletion.now.0)
    .bind(deletion.by)
    .bind(deletion.keeping.until.0)
    .bind(repository.0)
    .execute()
    .await?;
    Ok(())
}

type Row = (i64, String, String, String, Option<i64>, i64, String, i64);

const SELECT: &str = "SELECT t.id, t.repository, t.name, t.digest, t.artifact_id, t.deleted_at,
            t.deleted_by, t.kept_until";

fn tag((id, repository, name, digest, artifact, at, by, until): Row) -> Tag {
    Tag {
        id,
        repository,
        name,
        digest,
        artifact,
        deleted_at: Timestamp(at),
        deleted_by: by,
        kept_until: Timestamp(until),
    }
}

fn narrowed<'c>(query: Query<'c>, project: ProjectId, conditions: &[Condition]) -> Query<'c> {
    let query = query.push(" FROM deleted_tag t WHERE t.project_id = ").push_bind(project.0);
    query.narrowed(conditions)
}

/// A page of the deleted tags of a project; `order` is (column, descending).
pub async fn list_tags(
    conn: &mut Conn,
    project: ProjectId,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    (limit, offset): (i64, i64),
) -> Result<Vec<Tag>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT), project, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(tag).collect())
}

/// How many [`list_tags`] has.
pub async fn count_tags(
    conn: &mut Conn,
    project: ProjectId,
    conditions: &[Condition],
) -> Result<i64> {
    let query = narrowed(conn.query("SELECT COUNT(*)"), project, conditions);
    Ok(query.fetch_one::<(i64,)>().await?.0)
}

/// A deleted tag of a project.
pub async fn find_tag(conn: &mut Conn, project: ProjectId, id: i64) -> Result<Option<Tag>> {
    let row: Option<Row> = narrowed(conn.query(SELECT), project, &[])
        .push(" AND t.id = ")
        .push_bind(id)
        .fetch_optional()
        .await?;
    Ok(row.map(tag))
}

/// Forgets a deleted tag; false when it is gone.
pub async fn remove_tag(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(tx.query("DELETE FROM deleted_tag WHERE id = $1").bind(id).execute().await? == 1)
}
