//! Repositories.

use roadstead_model::{ProjectId, RepositoryId, RepositoryName, Timestamp};

use super::project::Viewer;
use crate::{Conn, Result, Tx};

/// The repository of this name, made if it is not there yet.
pub async fn ensure(
    tx: &mut Tx,
    project: ProjectId,
    name: &RepositoryName,
    now: Timestamp,
) -> Result<RepositoryId> {
    tx.query(
        "INSERT INTO repository (project_id, name, created_at, updated_at)
         VALUES ($1, $2, $3, $3) ON CONFLICT (name) DO NOTHING",
    )
    .bind(project.0)
    .bind(name.as_str())
    .bind(now.0)
    .execute()
    .await?;
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
    let (everything, principal) = viewer.parameters();
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT r.name FROM repository r JOIN project p ON p.id = r.project_id
             WHERE r.name > $1
               AND EXISTS (SELECT 1 FROM manifest m WHERE m.repo_id = r.id)
               AND ($2 OR p.public OR EXISTS (SELECT 1 FROM project_member m
                    JOIN role_permission a ON a.role_id = m.role_id
                    WHERE m.project_id = p.id AND m.principal_id = $3
                      AND a.resource = 'repository' AND a.action = 'pull'))
             ORDER BY r.name LIMIT $4",
        )
        .bind(last)
        .bind(everything)
        .bind(principal)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}
