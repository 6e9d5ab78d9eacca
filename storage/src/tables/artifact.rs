//! Artifacts: manifests as people look at them. What belongs to another artifact, and what only an
//! index names, is not listed.

use std::collections::HashMap;

use roadstead_model::{ManifestId, ProjectId, RepositoryId, Timestamp};

use super::manifest::Facts;
use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

mod list;

pub use list::{Filter, NEWEST_FIRST, Of, Tagged, page};

/// An artifact's row.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The manifest.
    pub id: ManifestId,
    /// Where it is.
    pub repository: RepositoryId,
    /// The repository's whole name.
    pub repository_name: String,
    /// The project.
    pub project: ProjectId,
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's media type.
    pub media_type: String,
    /// Whether what it names may be manifests.
    pub is_index: bool,
    /// The media type of its config.
    pub config_media_type: Option<String>,
    /// Its artifact type, or the media type of its config.
    pub artifact_type: Option<String>,
    /// Harbor's word for what it is; empty while nobody has looked.
    pub kind: String,
    /// Its bytes and those of all that it names.
    pub size: i64,
    /// When it was pushed first.
    pub pushed_at: Timestamp,
    /// When it was pulled last.
    pub pulled_at: Option<Timestamp>,
    /// As JSON, unless they are very long.
    pub annotations: Option<String>,
    /// The digest of what it belongs to.
    pub accessory_of: Option<String>,
    /// Harbor's word for what it is to that.
    pub accessory_type: Option<String>,
}

type Row = (
    i64,
    i64,
    String,
    i64,
    String,
    String,
    bool,
    Option<String>,
    Option<String>,
    String,
    i64,
    i64,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn artifact(row: Row) -> Artifact {
    Artifact {
        id: ManifestId(row.0),
        repository: RepositoryId(row.1),
        repository_name: row.2,
        project: ProjectId(row.3),
        digest: row.4,
        media_type: row.5,
        is_index: row.6,
        config_media_type: row.7,
        artifact_type: row.8,
        kind: row.9,
        size: row.10,
        pushed_at: Timestamp(row.11),
        pulled_at: row.12.map(Timestamp),
        annotations: row.13,
        accessory_of: row.14,
        accessory_type: row.15,
    }
}

/// Longer annotations are not shown: a page would not fit into memory.
const SELECT: &str = "SELECT m.id, m.repo_id, r.name, r.project_id, m.digest, m.media_type,
        m.is_index, m.config_media_type, m.artifact_type, m.kind, m.total_size, m.created_at,
        u.pulled_at,
        CASE WHEN LENGTH(m.annotations) <= 65536 THEN m.annotations END,
        m.accessory_of, m.accessory_type
    FROM manifest m JOIN repository r ON r.id = m.repo_id
    LEFT JOIN manifest_pull u ON u.manifest_id = m.id";

pub(super) const NOT_ONLY_A_CHILD: &str = " AND (NOT EXISTS (SELECT 1 FROM manifest_child c
          WHERE c.child_id = m.id)
        OR EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id))";

/// The artifact of a manifest, whether lists have it or not.
pub async fn find(conn: &mut Conn, id: ManifestId) -> Result<Option<Artifact>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE m.id = $1").bind(id.0).fetch_optional().await?;
    Ok(row.map(artifact))
}

/// What belongs to an artifact.
#[derive(Clone, Copy, Debug)]
pub struct Accessories<'a> {
    /// Where it is.
    pub repository: RepositoryId,
    /// Its digest.
    pub of: &'a str,
    /// What else is asked for.
    pub conditions: &'a [Condition],
    /// (column, descending).
    pub order: &'a [(&'static str, bool)],
}

fn belonging<'c>(query: Query<'c>, accessories: Accessories<'_>) -> Query<'c> {
    query
        .push(" WHERE m.repo_id = $1 AND m.accessory_of = $2")
        .bind(accessories.repository.0)
        .bind(accessories.of)
        .narrowed(accessories.conditions)
}

/// What belongs to an artifact; `limit` rows from `offset`.
pub async fn accessories(
    conn: &mut Conn,
    of: Accessories<'_>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Artifact>> {
    let rows: Vec<Row> =
        belonging(conn.query(SELECT), of).ordered(of.order).page(limit, offset).fetch_all().await?;
    Ok(rows.into_iter().map(artifact).collect())
}

/// How many [`accessories`] there are.
pub async fn count_accessories(conn: &mut Conn, of: Accessories<'_>) -> Result<i64> {
    let query = conn.query("SELECT COUNT(*) FROM manifest m");
    let (count,) = belonging(query, of).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// What belongs to any of some artifacts: the id of each of those with what belongs to it, in the
/// order in which it was pushed.
pub async fn accessories_of(
    conn: &mut Conn,
    ids: &[ManifestId],
) -> Result<Vec<(ManifestId, Artifact)>> {
    let pairs: Vec<(i64, i64)> = conn
        .query(
            "SELECT s.id, m.id FROM manifest s
             JOIN manifest m ON m.repo_id = s.repo_id AND m.accessory_of = s.digest
             WHERE s.id IN ",
        )
        .push_list(ids.iter().map(|id| id.0))
        .push(" ORDER BY m.created_at, m.id")
        .fetch_all()
        .await?;
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" WHERE m.id IN ")
        .push_list(pairs.iter().map(|(_, id)| *id))
        .fetch_all()
        .await?;
    let found: HashMap<i64, Artifact> =
        rows.into_iter().map(|row| (row.0, artifact(row))).collect();
    Ok(pairs
        .into_iter()
        .filter_map(|(of, id)| Some((ManifestId(of), found.get(&id)?.clone())))
        .collect())
}

/// The children of some indexes, as (index, child, the child's digest).
pub async fn children_of(
    conn: &mut Conn,
    ids: &[ManifestId],
) -> Result<Vec<(ManifestId, ManifestId, String)>> {
    let rows: Vec<(i64, i64, String)> = conn
        .query(
            "SELECT c.parent_id, c.child_id, m.digest FROM manifest_child c
             JOIN manifest m ON m.id = c.child_id WHERE c.parent_id IN ",
        )
        .push_list(ids.iter().map(|id| id.0))
        .push(" ORDER BY c.parent_id, c.child_id")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(of, id, digest)| (ManifestId(of), ManifestId(id), digest)).collect())
}

/// The indexes that hold some manifests, as (child, index).
pub async fn parents_of(
    conn: &mut Conn,
    ids: &[ManifestId],
) -> Result<Vec<(ManifestId, ManifestId)>> {
    let rows: Vec<(i64, i64)> = conn
        .query("SELECT c.child_id, c.parent_id FROM manifest_child c WHERE c.child_id IN ")
        .push_list(ids.iter().map(|id| id.0))
        .push(" ORDER BY c.child_id, c.parent_id")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id, of)| (ManifestId(id), ManifestId(of))).collect())
}

/// What was read in an artifact's config and in the descriptors of its children, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// An object.
    pub attributes: String,
    /// An array.
    pub children: String,
}

/// The attributes of some artifacts, as far as they were read.
pub async fn attributes_of(
    conn: &mut Conn,
    ids: &[ManifestId],
) -> Result<HashMap<ManifestId, Attributes>> {
    let rows: Vec<(i64, String, String)> = conn
        .query(
            "SELECT manifest_id, attributes, children FROM manifest_attributes
             WHERE manifest_id IN ",
        )
        .push_list(ids.iter().map(|id| id.0))
        .fetch_all()
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, attributes, children)| (ManifestId(id), Attributes { attributes, children }))
        .collect())
}

/// Keeps the attributes of an artifact, unless it went away.
pub async fn keep_attributes(tx: &mut Tx, id: ManifestId, read: &Attributes) -> Result<()> {
    tx.query(
        "INSERT INTO manifest_attributes (manifest_id, attributes, children)
         SELECT m.id, $2, $3 FROM manifest m WHERE m.id = $1
         ON CONFLICT (manifest_id)
         DO UPDATE SET attributes = excluded.attributes, children = excluded.children",
    )
    .bind(id.0)
    .bind(read.attributes.as_str())
    .bind(read.children.as_str())
    .execute()
    .await?;
    Ok(())
}

/// A manifest that was pushed before anybody looked at what it is.
#[derive(Clone, Debug)]
pub struct Undescribed {
    /// The manifest.
    pub id: ManifestId,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The names of its tags.
    pub tags: Vec<String>,
}

/// Manifests that nobody has looked at, children before the indexes that name them.
pub async fn undescribed(conn: &mut Conn, limit: i64) -> Result<Vec<Undescribed>> {
    let rows: Vec<(i64, String, Vec<u8>)> = conn
        .query(
            "SELECT m.id, m.media_type, m.bytes FROM manifest m WHERE m.kind = ''
             ORDER BY m.depth, m.id LIMIT $1",
        )
        .bind(limit)
        .fetch_all()
        .await?;
    let mut tags: HashMap<i64, Vec<String>> = HashMap::new();
    let named: Vec<(i64, String)> = conn
        .query("SELECT manifest_id, name FROM tag WHERE manifest_id IN ")
        .push_list(rows.iter().map(|(id, ..)| *id))
        .fetch_all()
        .await?;
    for (id, name) in named {
        tags.entry(id).or_default().push(name);
    }
    Ok(rows
        .into_iter()
        .map(|(id, media_type, bytes)| Undescribed {
            id: ManifestId(id),
            media_type,
            bytes,
            tags: tags.remove(&id).unwrap_or_default(),
        })
        .collect())
}

/// Notes what a manifest is. The sizes of the children of an index are added.
pub async fn describe(
    tx: &mut Tx,
    id: ManifestId,
    facts: Facts<'_>,
    annotations: Option<&str>,
) -> Result<()> {
    tx.query(
        "UPDATE manifest SET kind = $2, config_media_type = $3, accessory_of = $4,
                accessory_type = $5, annotations = $6,
                total_size = $7 + (SELECT COALESCE(SUM(k.total_size), 0) FROM manifest k
                    JOIN manifest_child c ON c.child_id = k.id WHERE c.parent_id = $1)
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(facts.kind)
    .bind(facts.config_media_type.map(str::to_owned))
    .bind(facts.accessory_of.map(str::to_owned))
    .bind(facts.accessory_type.map(str::to_owned))
    .bind(annotations.map(str::to_owned))
    .bind(facts.total_size)
    .execute()
    .await?;
    Ok(())
}

/// Notes that a manifest without a subject belongs to another, as the tag says that cosign gave it.
pub async fn attach(tx: &mut Tx, id: ManifestId, facts: Facts<'_>) -> Result<()> {
    tx.query(
        "UPDATE manifest SET accessory_of = $2, accessory_type = $3
         WHERE id = $1 AND accessory_of IS NULL",
    )
    .bind(id.0)
    .bind(facts.accessory_of.map(str::to_owned))
    .bind(facts.accessory_type.map(str::to_owned))
    .execute()
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
