//! Repositories.

use roadstead_model::{ProjectId, RepositoryId, RepositoryName, Timestamp};

use super::viewer::{LISTS_REPOSITORY, SEES_REPOSITORY, Viewer};
use crate::filter::{Condition, containing};
use crate::{Conn, Query, Result, Tx};

/// A repository's row.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The id.
    pub id: RepositoryId,
    /// The project.
    pub project: ProjectId,
    /// The project's name.
    pub project_name: String,
    /// Whether everybody may pull.
    pub public: bool,
    /// The whole name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// How many artifacts it has, without those that belong to another.
    pub artifacts: i64,
    /// When something was pushed first.
    pub created_at: Timestamp,
    /// When something was pushed last, or the description was changed.
    pub updated_at: Timestamp,
}

type Row = (i64, i64, String, bool, String, String, i64, i64, i64);

/// When something was pushed last, or the description was changed.
pub const UPDATED_AT: &str = "(SELECT MAX(x.at) FROM (SELECT r.updated_at AS at
     UNION ALL SELECT m.created_at FROM manifest m WHERE m.repo_id = r.id) x)";

const SELECT: &str = "SELECT r.id, r.project_id, p.name, p.public, r.name, r.description,
            (SELECT COUNT(*) FROM manifest m WHERE m.repo_id = r.id AND m.subject_digest IS NULL
                AND (EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id)
                  OR NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = m.id))),
            r.created_at, ";

const FROM: &str = " FROM repository r JOIN project p ON p.id = r.project_id
     WHERE EXISTS (SELECT 1 FROM manifest m WHERE m.repo_id = r.id)";

fn repository(row: Row) -> Repository {
    let (id, project, project_name, public, name, description, artifacts, created, updated) = row;
    Repository {
        id: RepositoryId(id),
        project: ProjectId(project),
        project_name,
        public,
        name,
        description,
        artifacts,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// The repository of this name, made if it is not there yet.
pub async fn ensure(
    tx: &mut Tx,
    project: ProjectId,
    name: &RepositoryName,
    now: Timestamp,
) -> Result<RepositoryId> {
    super::project::share(tx, project).await?;
    let made: Option<(i64,)> = tx
        .query(
            "INSERT INTO repository (project_id, name, created_at, updated_at)
             VALUES ($1, $2, $3, $3) ON CONFLICT (name) DO NOTHING RETURNING id",
        )
        .bind(project.0)
        .bind(name.as_str())
        .bind(now.0)
        .fetch_optional()
        .await?;
    if let Some((id,)) = made {
        let id = RepositoryId(id);
        super::binding::repository_created(tx, project, id, name.as_str()).await?;
        return Ok(id);
    }
    let (id,) = tx
        .query("SELECT id FROM repository WHERE name = $1 AND project_id = $2")
        .bind(name.as_str())
        .bind(project.0)
        .fetch_one::<(i64,)>()
        .await?;
    Ok(RepositoryId(id))
}

/// Names of repositories with content that the viewer may list, in byte order after `last`.
pub async fn catalog(
    conn: &mut Conn,
    viewer: Viewer,
    last: &str,
    limit: i64,
) -> Result<Vec<String>> {
    let (everything, principal, via) = viewer.parameters();
    let rows: Vec<(String,)> = conn
        .query("SELECT r.name FROM repository r JOIN project p ON p.id = r.project_id WHERE ")
        .push(SEES_REPOSITORY)
        .push(
            " AND EXISTS (SELECT 1 FROM manifest m WHERE m.repo_id = r.id) AND r.name > $4
             ORDER BY r.name LIMIT $5",
        )
        .bind(everything)
        .bind(principal)
        .bind(via)
        .bind(last)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// What a list of repositories is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// In one project.
    pub project: Option<ProjectId>,
    /// Part of the name; empty for all.
    pub name: &'a str,
    /// Those that have the blob with this digest.
    pub blob: Option<&'a str>,
    /// What else is asked for.
    pub conditions: &'a [Condition],
    /// (column, descending).
    pub order: &'a [(&'static str, bool)],
}

fn narrowed<'c>(query: Query<'c>, viewer: Viewer, filter: Filter<'_>) -> Query<'c> {
    let (everything, principal, via) = viewer.parameters();
    let mut query = query.push(FROM).push(" AND ").push(LISTS_REPOSITORY);
    query = query.bind(everything).bind(principal).bind(via);
    if let Some(project) = filter.project {
        query = query.push(" AND r.project_id = ").push_bind(project.0);
    }
    if !filter.name.is_empty() {
        query = query.push(" AND r.name LIKE ").push_bind(containing(filter.name));
        query = query.push(" ESCAPE '\\'");
    }
    if let Some(digest) = filter.blob {
        query = query
            .push(
                " AND EXISTS (SELECT 1 FROM repo_blob l JOIN blob b ON b.id = l.blob_id
                              WHERE l.repo_id = r.id AND b.digest = ",
            )
            .push_bind(digest)
            .push(")");
    }
    query.narrowed(filter.conditions)
}

/// Repositories with content that the viewer may list; `limit` rows from `offset`.
pub async fn list(
    conn: &mut Conn,
    viewer: Viewer,
    filter: Filter<'_>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Repository>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT).push(UPDATED_AT), viewer, filter)
        .ordered(filter.order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(repository).collect())
}

/// How many repositories [`list`] has.
pub async fn count(conn: &mut Conn, viewer: Viewer, filter: Filter<'_>) -> Result<i64> {
    let (count,) =
        narrowed(conn.query("SELECT COUNT(*)"), viewer, filter).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// The repository with this name, if it has content.
pub async fn find(conn: &mut Conn, name: &RepositoryName) -> Result<Option<Repository>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(UPDATED_AT)
        .push(FROM)
        .push(" AND r.name = $1")
        .bind(name.as_str())
        .fetch_optional()
        .await?;
    Ok(row.map(repository))
}

/// Every repository of a project, also those without content.
pub async fn ids_in(conn: &mut Conn, project: ProjectId) -> Result<Vec<RepositoryId>> {
    let rows: Vec<(i64,)> = conn
        .query("SELECT id FROM repository WHERE project_id = $1 ORDER BY id")
        .bind(project.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| RepositoryId(id)).collect())
}

/// Changes the description of a repository; false when it is gone.
pub async fn set_description(
    tx: &mut Tx,
    id: RepositoryId,
    description: &str,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx
        .query("UPDATE repository SET description = $1, updated_at = $2 WHERE id = $3")
        .bind(description)
        .bind(now.0)
        .bind(id.0)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Removes a repository whose content is gone; false when it is gone itself.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) while something is left in it.
pub async fn remove(tx: &mut Tx, id: RepositoryId) -> Result<bool> {
    Ok(tx.query("DELETE FROM repository WHERE id = $1").bind(id.0).execute().await? == 1)
}
