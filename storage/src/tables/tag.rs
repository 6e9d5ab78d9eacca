//! Tags.

use roadstead_model::{ManifestId, RepositoryId, Tag, Timestamp};

use crate::{Conn, Result, Tx};

/// Lets a tag name a manifest; false when the tag is immutable and names another. The guard is in
/// the statement, so that one writer wins under any race.
pub async fn put(
    tx: &mut Tx,
    repository: RepositoryId,
    tag: &Tag,
    manifest: ManifestId,
    now: Timestamp,
) -> Result<bool> {
    let row: Option<(i64,)> = tx
        .query(
            "INSERT INTO tag (repo_id, name, manifest_id, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (repo_id, name)
             DO UPDATE SET manifest_id = excluded.manifest_id, updated_at = excluded.updated_at
             WHERE tag.manifest_id = excluded.manifest_id OR NOT tag.immutable
             RETURNING manifest_id",
        )
        .bind(repository.0)
        .bind(tag.as_str())
        .bind(manifest.0)
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Removes a tag and returns the manifest it named; None when there was no such tag.
pub async fn remove(
    tx: &mut Tx,
    repository: RepositoryId,
    tag: &Tag,
) -> Result<Option<ManifestId>> {
    let row: Option<(i64,)> = tx
        .query("DELETE FROM tag WHERE repo_id = $1 AND name = $2 RETURNING manifest_id")
        .bind(repository.0)
        .bind(tag.as_str())
        .fetch_optional()
        .await?;
    Ok(row.map(|(id,)| ManifestId(id)))
}

/// Removes every tag of a manifest and returns their names.
pub async fn remove_all_of(tx: &mut Tx, manifest: ManifestId) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx
        .query("DELETE FROM tag WHERE manifest_id = $1 RETURNING name")
        .bind(manifest.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Names of tags in byte order, after `last`; all of them without a limit.
pub async fn list(
    conn: &mut Conn,
    repository: RepositoryId,
    last: &str,
    limit: Option<i64>,
) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT name FROM tag WHERE repo_id = $1 AND name > $2 ORDER BY name LIMIT $3")
        .bind(repository.0)
        .bind(last)
        .bind(limit.unwrap_or(i64::MAX))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}
