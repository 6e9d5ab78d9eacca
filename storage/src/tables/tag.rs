//! Tags.

use roadstead_model::{ManifestId, RepositoryId, Tag, Timestamp};

use crate::query::before_nul;
use crate::{Conn, Result, Tx};

mod list;

pub use list::{NEWEST_FIRST, page_of_manifest};

/// What a tag is to name.
#[derive(Clone, Copy, Debug)]
pub struct NewTag<'a> {
    /// The tag.
    pub name: &'a Tag,
    /// What it is to name.
    pub manifest: ManifestId,
    /// Whether a rule protects it from now on, as of
    /// [`in_force`](super::immutable_rule::in_force) in the same transaction.
    pub immutable: bool,
    /// Whether an immutable tag must not be written again even with what it names.
    pub strict: bool,
}

/// Lets a tag name a manifest; false when the tag is immutable and names another. The guard is in
/// the statement, so that one writer wins under any race.
pub async fn put(
    tx: &mut Tx,
    repository: RepositoryId,
    tag: NewTag<'_>,
    now: Timestamp,
) -> Result<bool> {
    tx.changes_content_of(repository);
    let row: Option<(i64,)> = tx
        .query_quietly(
            "INSERT INTO tag (repo_id, name, manifest_id, immutable, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5)
             ON CONFLICT (repo_id, name)
             DO UPDATE SET manifest_id = excluded.manifest_id, updated_at = excluded.updated_at
             WHERE NOT tag.immutable OR (tag.manifest_id = excluded.manifest_id AND NOT $6)
             RETURNING manifest_id",
        )
        .bind(repository.0)
        .bind(tag.name.as_str())
        .bind(tag.manifest.0)
        .bind(tag.immutable)
        .bind(now.0)
        .bind(tag.strict)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Makes a tag; false when there is one of this name.
pub async fn insert(
    tx: &mut Tx,
    repository: RepositoryId,
    tag: NewTag<'_>,
    now: Timestamp,
) -> Result<bool> {
    tx.changes_content_of(repository);
    let made = tx
        .query_quietly(
            "INSERT INTO tag (repo_id, name, manifest_id, immutable, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (repo_id, name) DO NOTHING",
        )
        .bind(repository.0)
        .bind(tag.name.as_str())
        .bind(tag.manifest.0)
        .bind(tag.immutable)
        .bind(now.0)
        .execute()
        .await?;
    Ok(made == 1)
}

/// How an attempt to remove a tag ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone; it named this manifest.
    Gone(ManifestId),
    /// It is immutable, and stays.
    Immutable,
    /// There was no such tag.
    Missing,
}

/// Removes a tag, unless it is immutable.
pub async fn remove(tx: &mut Tx, repository: RepositoryId, tag: &Tag) -> Result<Removed> {
    tx.changes_content_of(repository);
    let row: Option<(i64,)> = tx
        .query_quietly(
            "DELETE FROM tag WHERE repo_id = $1 AND name = $2 AND NOT immutable
             RETURNING manifest_id",
        )
        .bind(repository.0)
        .bind(tag.as_str())
        .fetch_optional()
        .await?;
    if let Some((id,)) = row {
        return Ok(Removed::Gone(ManifestId(id)));
    }
    let left: Option<(i64,)> = tx
        .query("SELECT manifest_id FROM tag WHERE repo_id = $1 AND name = $2")
        .bind(repository.0)
        .bind(tag.as_str())
        .fetch_optional()
        .await?;
    Ok(if left.is_some() { Removed::Immutable } else { Removed::Missing })
}

/// A tag of a manifest that is immutable, if there is one.
pub async fn immutable_of(conn: &mut Conn, manifest: ManifestId) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .query("SELECT name FROM tag WHERE manifest_id = $1 AND immutable ORDER BY name LIMIT 1")
        .bind(manifest.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(name,)| name))
}

/// Removes every tag of a manifest and returns their names; None when one is immutable. The
/// transaction must not be committed then.
pub async fn remove_all_of(tx: &mut Tx, manifest: ManifestId) -> Result<Option<Vec<String>>> {
    let gone: Vec<(String, i64)> = tx
        .query_quietly(
            "DELETE FROM tag WHERE manifest_id = $1 AND NOT immutable RETURNING name, repo_id",
        )
        .bind(manifest.0)
        .fetch_all()
        .await?;
    for (_, repository) in &gone {
        tx.changes_content_of(RepositoryId(*repository));
    }
    let left: Option<(String,)> = tx
        .query("SELECT name FROM tag WHERE manifest_id = $1 LIMIT 1")
        .bind(manifest.0)
        .fetch_optional()
        .await?;
    let names = || gone.into_iter().map(|(name, _)| name).collect();
    Ok(left.is_none().then(names))
}

/// Removes every tag of a repository; the name of one that is immutable, if there is one. The
/// transaction must not be committed then.
pub async fn remove_all_in(tx: &mut Tx, repository: RepositoryId) -> Result<Option<String>> {
    tx.changes_content_of(repository);
    tx.query_quietly("DELETE FROM tag WHERE repo_id = $1 AND NOT immutable")
        .bind(repository.0)
        .execute()
        .await?;
    let left: Option<(String,)> = tx
        .query("SELECT name FROM tag WHERE repo_id = $1 ORDER BY name LIMIT 1")
        .bind(repository.0)
        .fetch_optional()
        .await?;
    Ok(left.map(|(name,)| name))
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
        .bind(before_nul(last))
        .bind(limit.unwrap_or(i64::MAX))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// A tag as people look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagging {
    /// What it names.
    pub manifest: ManifestId,
    /// Its name.
    pub name: String,
    /// Whether a rule protects it.
    pub immutable: bool,
    /// When it was pushed last.
    pub pushed_at: Timestamp,
    /// When it was pulled last.
    pub pulled_at: Option<Timestamp>,
}

type TaggingRow = (i64, String, bool, i64, Option<i64>);

fn tagging((manifest, name, immutable, pushed, pulled): TaggingRow) -> Tagging {
    Tagging {
        manifest: ManifestId(manifest),
        name,
        immutable,
        pushed_at: Timestamp(pushed),
        pulled_at: pulled.map(Timestamp),
    }
}

const TAGGING: &str = "SELECT t.manifest_id, t.name, t.immutable, t.updated_at, u.pulled_at
    FROM tag t LEFT JOIN tag_pull u ON u.repo_id = t.repo_id AND u.name = t.name";

/// The tags of some manifests, what was pushed last first.
pub async fn of_manifests(conn: &mut Conn, ids: &[ManifestId]) -> Result<Vec<Tagging>> {
    let rows: Vec<TaggingRow> = conn
        .query(TAGGING)
        .push(" WHERE t.manifest_id IN ")
        .push_list(ids.iter().map(|id| id.0))
        .push(" ORDER BY t.updated_at DESC, t.name")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(tagging).collect())
}
