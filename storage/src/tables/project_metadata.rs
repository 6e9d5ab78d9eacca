//! Settings of projects that clients know by name, but for `public`, which is a column of the
//! project.

use std::collections::{BTreeMap, HashMap};

use roadstead_model::{ProjectId, Timestamp};

use super::project;
use crate::{Conn, Result, Tx};

/// How many projects one statement names.
const BATCH: usize = 500;

/// The settings of some projects; those that have none are left out.
pub async fn of(
    conn: &mut Conn,
    projects: &[ProjectId],
) -> Result<HashMap<ProjectId, BTreeMap<String, String>>> {
    let mut all: HashMap<ProjectId, BTreeMap<String, String>> = HashMap::new();
    for batch in projects.chunks(BATCH) {
        let rows: Vec<(i64, String, String)> = conn
            .query("SELECT project_id, name, value FROM project_metadata WHERE project_id IN ")
            .push_list(batch.iter().map(|id| id.0))
            .fetch_all()
            .await?;
        for (project, name, value) in rows {
            all.entry(ProjectId(project)).or_default().insert(name, value);
        }
    }
    Ok(all)
}

/// A setting of a project.
pub async fn find(conn: &mut Conn, project: ProjectId, name: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .query("SELECT value FROM project_metadata WHERE project_id = $1 AND name = $2")
        .bind(project.0)
        .bind(name)
        .fetch_optional()
        .await?;
    Ok(row.map(|(value,)| value))
}

/// Adds a setting.
///
/// # Errors
/// [`Error::Conflict`](crate::Error::Conflict) when the project has it already.
pub async fn insert(
    tx: &mut Tx,
    project: ProjectId,
    name: &str,
    value: &str,
    now: Timestamp,
) -> Result<()> {
    project::lock(tx, project, now).await?;
    tx.query("INSERT INTO project_metadata (project_id, name, value) VALUES ($1, $2, $3)")
        .bind(project.0)
        .bind(name)
        .bind(value)
        .execute()
        .await?;
    Ok(())
}

/// Changes a setting; false when the project does not have it.
pub async fn update(
    tx: &mut Tx,
    project: ProjectId,
    name: &str,
    value: &str,
    now: Timestamp,
) -> Result<bool> {
    project::lock(tx, project, now).await?;
    let changed = tx
        .query("UPDATE project_metadata SET value = $1 WHERE project_id = $2 AND name = $3")
        .bind(value)
        .bind(project.0)
        .bind(name)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Sets a setting, whether the project has it or not.
pub async fn put(
    tx: &mut Tx,
    project: ProjectId,
    name: &str,
    value: &str,
    now: Timestamp,
) -> Result<()> {
    if update(tx, project, name, value, now).await? {
        return Ok(());
    }
    insert(tx, project, name, value, now).await
}

/// Removes a setting; false when the project does not have it.
pub async fn remove(tx: &mut Tx, project: ProjectId, name: &str, now: Timestamp) -> Result<bool> {
    project::lock(tx, project, now).await?;
    let removed = tx
        .query("DELETE FROM project_metadata WHERE project_id = $1 AND name = $2")
        .bind(project.0)
        .bind(name)
        .execute()
        .await?;
    Ok(removed == 1)
}

#[cfg(test)]
mod tests;
