//! Counting again what is otherwise kept up to date by every change.

use roadstead_model::{ManifestId, Pattern, ProjectId, RepositoryId};

use super::binding::below_project;
use super::manifest::standing;
use crate::{Conn, Result, Tx};

/// Tags that name a manifest of another repository, as `<repository>:<tag>`; there must be none.
pub async fn strayed_tags(conn: &mut Conn) -> Result<Vec<String>> {
    let rows: Vec<(String, String)> = conn
        .query(
            "SELECT r.name, t.name FROM tag t JOIN manifest m ON m.id = t.manifest_id
             JOIN repository r ON r.id = t.repo_id WHERE m.repo_id <> t.repo_id",
        )
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(repository, tag)| format!("{repository}:{tag}")).collect())
}

/// Projects that count blobs which neither their repositories link nor something deleted holds that
/// counts, or the other way round.
pub async fn miscounted_blobs(conn: &mut Conn) -> Result<Vec<ProjectId>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT p.project_id FROM project_blob p
             WHERE NOT EXISTS (SELECT 1 FROM repo_blob l JOIN repository r ON r.id = l.repo_id
                               WHERE l.blob_id = p.blob_id AND r.project_id = p.project_id)
               AND NOT EXISTS (SELECT 1 FROM deleted_artifact_blob d
                               JOIN deleted_artifact a ON a.id = d.artifact_id
                               WHERE d.blob_id = p.blob_id AND a.project_id = p.project_id
                                 AND a.counted)
             UNION
             SELECT a.project_id FROM deleted_artifact_blob d
             JOIN deleted_artifact a ON a.id = d.artifact_id
             WHERE a.counted AND NOT EXISTS (SELECT 1 FROM project_blob p WHERE
                   p.blob_id = d.blob_id AND p.project_id = a.project_id)
             UNION
             SELECT r.project_id FROM repo_blob l JOIN repository r ON r.id = l.repo_id
             WHERE NOT EXISTS (SELECT 1 FROM project_blob p
                               WHERE p.blob_id = l.blob_id AND p.project_id = r.project_id)",
        )
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| ProjectId(id)).collect())
}

/// Counts a project's blobs and bytes again. Whoever counts in or out changes the project's row of
/// usage in the same transaction, so that row is taken first.
pub async fn project(tx: &mut Tx, project: ProjectId) -> Result<()> {
    for statement in [
        "UPDATE project_usage SET used = used WHERE project_id = $1",
        "DELETE FROM project_blob WHERE project_id = $1
           AND NOT EXISTS (SELECT 1 FROM repo_blob l JOIN repository r ON r.id = l.repo_id
                           WHERE l.blob_id = project_blob.blob_id AND r.project_id = $1)
           AND NOT EXISTS (SELECT 1 FROM deleted_artifact_blob d
                           JOIN deleted_artifact a ON a.id = d.artifact_id
                           WHERE d.blob_id = project_blob.blob_id AND a.project_id = $1
                             AND a.counted)",
        "INSERT INTO project_blob (project_id, blob_id)
         SELECT r.project_id, l.blob_id FROM repo_blob l
         JOIN repository r ON r.id = l.repo_id WHERE r.project_id = $1
         UNION SELECT a.project_id, d.blob_id FROM deleted_artifact_blob d
         JOIN deleted_artifact a ON a.id = d.artifact_id
         WHERE a.project_id = $1 AND a.counted
         ON CONFLICT DO NOTHING",
        "UPDATE project_usage SET used = CAST(
             COALESCE((SELECT SUM(b.size) FROM blob b JOIN project_blob p ON p.blob_id = b.id
                       WHERE p.project_id = $1), 0)
             + COALESCE((SELECT SUM(m.size) FROM manifest m JOIN repository r ON r.id = m.repo_id
                         WHERE r.project_id = $1), 0)
             + COALESCE((SELECT SUM(a.size) FROM deleted_artifact a
                         WHERE a.project_id = $1 AND a.counted), 0) AS BIGINT)
         WHERE project_id = $1",
    ] {
        tx.query(statement).bind(project.0).execute().await?;
    }
    Ok(())
}

/// What [`mislisted`] goes by: whether lists should have the manifest `m`.
const LISTED: &str = "(m.accessory_of IS NULL
    AND (NOT EXISTS (SELECT 1 FROM manifest_child c WHERE c.child_id = m.id)
         OR EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id)))";

/// Manifests that lists have and should not have, or the other way round, and repositories that
/// are said to have content and have none.
pub async fn mislisted(conn: &mut Conn) -> Result<(Vec<ManifestId>, Vec<RepositoryId>)> {
    let manifests: Vec<(i64,)> = conn
        .query(
            "SELECT m.id FROM manifest m JOIN repository r ON r.id = m.repo_id
             WHERE m.project_id IS NULL OR m.project_id <> r.project_id OR m.listed <> ",
        )
        .push(LISTED)
        .push(" ORDER BY m.id")
        .fetch_all()
        .await?;
    let repositories: Vec<(i64,)> = conn
        .query(
            "SELECT r.id FROM repository r WHERE NOT r.maybe_empty
               AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.repo_id = r.id) ORDER BY r.id",
        )
        .fetch_all()
        .await?;
    Ok((
        manifests.into_iter().map(|(id,)| ManifestId(id)).collect(),
        repositories.into_iter().map(|(id,)| RepositoryId(id)).collect(),
    ))
}

/// Says of these anew what lists go by.
pub async fn relist(
    tx: &mut Tx,
    manifests: &[ManifestId],
    repositories: &[RepositoryId],
) -> Result<()> {
    for some in manifests.chunks(100) {
        standing::lock(tx, some).await?;
        tx.query(
            "UPDATE manifest AS m SET project_id =
                 (SELECT r.project_id FROM repository r WHERE r.id = m.repo_id), listed = ",
        )
        .push(LISTED)
        .push(" WHERE m.id IN ")
        .push_list(some.iter().map(|id| id.0))
        .execute()
        .await?;
    }
    for some in repositories.chunks(100) {
        // True is never wrong: it is looked at then.
        tx.query("UPDATE repository SET maybe_empty = TRUE WHERE id IN ")
            .push_list(some.iter().map(|id| id.0))
            .execute()
            .await?;
    }
    Ok(())
}

/// Rows that say which repositories a binding's pattern matches, as they are and as they should
/// be: what is missing, and what is too much, as (binding, repository).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// To be added.
    pub missing: Vec<(i64, i64)>,
    /// To be taken away.
    pub surplus: Vec<(i64, i64)>,
}

/// Compares the patterns of bindings with the rows that are kept for lists.
pub async fn bound(conn: &mut Conn) -> Result<Bound> {
    let bindings: Vec<(i64, Option<i64>, String)> = conn
        .query("SELECT id, project_id, pattern FROM role_binding WHERE pattern <> ''")
        .fetch_all()
        .await?;
    let mut found = Bound::default();
    if bindings.is_empty() {
        return Ok(found);
    }
    let repositories: Vec<(i64, i64, String)> =
        conn.query("SELECT id, project_id, name FROM repository").fetch_all().await?;
    for (binding, project, pattern) in bindings {
        let rows: Vec<(i64,)> = conn
            .query("SELECT repo_id FROM bound_repository WHERE binding_id = $1 ORDER BY repo_id")
            .bind(binding)
            .fetch_all()
            .await?;
        let pattern = Pattern::parse(&pattern).ok();
        for (repository, home, name) in &repositories {
            let there = rows.binary_search(&(*repository,)).is_ok();
            let matches = project.is_none_or(|project| project == *home)
                && pattern.as_ref().is_some_and(|p| p.matches(below_project(name)));
            match (matches, there) {
                (true, false) => found.missing.push((binding, *repository)),
                (false, true) => found.surplus.push((binding, *repository)),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Makes the rows of [`bound`] right.
pub async fn rebind(tx: &mut Tx) -> Result<()> {
    let found = bound(tx).await?;
    for (rows, statement) in [
        (
            &found.missing,
            "INSERT INTO bound_repository (binding_id, repo_id) VALUES ($1, $2)
             ON CONFLICT DO NOTHING",
        ),
        (&found.surplus, "DELETE FROM bound_repository WHERE binding_id = $1 AND repo_id = $2"),
    ] {
        for (binding, repository) in rows {
            tx.query(statement).bind(*binding).bind(*repository).execute().await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
