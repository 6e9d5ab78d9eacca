//! Repositories.

use roadstead_model::{ProjectId, RepositoryId, RepositoryName, Timestamp};

use super::viewer::{SEES_REPOSITORY, Viewer};
use crate::{Conn, Result, Tx};

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
