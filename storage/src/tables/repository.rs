//! Repositories.

use roadstead_model::{ProjectId, RepositoryId, RepositoryName, Timestamp};

use super::viewer::{SEES_REPOSITORY, Viewer};
use crate::query::before_nul;
use crate::{Conn, Result, Tx};

mod list;

pub use list::{Filter, NEWEST_FIRST, count, list, page};

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
    /// How often something of it was pulled.
    pub pulls: i64,
    /// When something was pushed first.
    pub created_at: Timestamp,
    /// When something was pushed last, or the description was changed.
    pub updated_at: Timestamp,
}

type Row = (i64, i64, String, bool, String, String, i64, i64, i64, i64);

/// When something was pushed last, or the description was changed.
pub const UPDATED_AT: &str = "(CASE WHEN r.updated_at
        < COALESCE((SELECT MAX(m.created_at) FROM manifest m WHERE m.repo_id = r.id), 0)
     THEN (SELECT MAX(m.created_at) FROM manifest m WHERE m.repo_id = r.id)
     ELSE r.updated_at END)";

const SELECT: &str = "SELECT r.id, r.project_id, p.name, p.public, r.name, r.description,
            (SELECT COUNT(*) FROM manifest m WHERE m.repo_id = r.id AND m.listed = TRUE),
            COALESCE((SELECT u.pulls FROM repository_pull u WHERE u.repo_id = r.id), 0),
            r.created_at, ";

const FROM: &str = " FROM repository r JOIN project p ON p.id = r.project_id";

/// The repository `r` has content. Mostly its row says so.
pub(super) const HAS_CONTENT: &str = "(NOT r.maybe_empty
     OR (SELECT m.repo_id FROM manifest m WHERE m.repo_id = r.id LIMIT 1) IS NOT NULL)";

/// The repository `r` has content, or had some: as in Harbor it stays until it is deleted, or the
/// history of its tags is forgotten.
const IS_SHOWN: &str = "(NOT r.maybe_empty
     OR (SELECT m.repo_id FROM manifest m WHERE m.repo_id = r.id LIMIT 1) IS NOT NULL
     OR (SELECT h.id FROM tag_history h WHERE h.project_id = r.project_id
         AND h.repository = r.name AND h.moved_at >= r.created_at LIMIT 1) IS NOT NULL)";

fn repository(row: Row) -> Repository {
    let (id, project, project_name, public, name, description, artifacts, pulls, created, updated) =
        row;
    Repository {
        id: RepositoryId(id),
        project: ProjectId(project),
        project_name,
        public,
        name,
        description,
        artifacts,
        pulls,
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
        .push(" AND ")
        .push(HAS_CONTENT)
        .push(" AND r.name > $4 ORDER BY r.name LIMIT $5")
        .bind(everything)
        .bind(principal)
        .bind(via)
        .bind(before_nul(last))
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// The repository with this name, if it has content or had some.
pub async fn find(conn: &mut Conn, name: &RepositoryName) -> Result<Option<Repository>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(UPDATED_AT)
        .push(FROM)
        .push(" WHERE r.name = $1 AND ")
        .push(IS_SHOWN)
        .bind(name.as_str())
        .fetch_optional()
        .await?;
    Ok(row.map(repository))
}

/// The id of the repository with this name, if it has content: what [`find`] finds, without
/// counting.
pub async fn find_id(conn: &mut Conn, name: &RepositoryName) -> Result<Option<RepositoryId>> {
    let row: Option<(i64,)> = conn
        .query("SELECT r.id FROM repository r WHERE r.name = $1 AND ")
        .push(HAS_CONTENT)
        .bind(name.as_str())
        .fetch_optional()
        .await?;
    Ok(row.map(|(id,)| RepositoryId(id)))
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

#[cfg(test)]
mod tests;
