//! What retention may delete: the artifacts that lists show, with what rules look at.

use std::collections::HashMap;

use roadstead_model::{ManifestId, RepositoryId, Timestamp};

use crate::tables::artifact::NOT_ONLY_A_CHILD;
use crate::{Conn, Result};

/// An artifact that may have to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The manifest.
    pub id: ManifestId,
    /// Its digest.
    pub digest: String,
    /// Its own length in bytes.
    pub size: i64,
    /// Harbor's word for what it is; empty while nobody has looked.
    pub kind: String,
    /// When it was pushed first.
    pub created_at: Timestamp,
    /// When it, or a tag of it, was pushed last.
    pub pushed_at: Timestamp,
    /// When it, or a tag of it, was pulled last.
    pub pulled_at: Option<Timestamp>,
    /// Its tags, by name.
    pub tags: Vec<String>,
    /// Whether a rule protects one of them.
    pub immutable: bool,
    /// The names of its labels.
    pub labels: Vec<String>,
}

type Row = (i64, String, i64, String, i64, Option<i64>);
type TagRow = (i64, String, bool, i64, Option<i64>);

const SELECT: &str = "SELECT m.id, m.digest, m.size, m.kind, m.created_at, u.pulled_at
     FROM manifest m LEFT JOIN manifest_pull u ON u.manifest_id = m.id
     WHERE m.repo_id = $1";
const TAGS: &str = "SELECT t.manifest_id, t.name, t.immutable, t.updated_at, u.pulled_at
     FROM tag t LEFT JOIN tag_pull u ON u.repo_id = t.repo_id AND u.name = t.name
     WHERE t.repo_id = $1";
const LABELS: &str = "SELECT a.manifest_id, l.name FROM artifact_label a
     JOIN label l ON l.id = a.label_id JOIN manifest m ON m.id = a.manifest_id
     WHERE m.repo_id = $1 ORDER BY l.name, l.id";

/// What was pushed without a tag is left alone for a while, because an index that names it may follow.
const NOT_LEASED: &str = " AND NOT EXISTS (SELECT 1 FROM gc_queue q WHERE q.kind = 'manifest'
     AND q.target_id = m.id AND q.repo_id = m.repo_id AND q.lease_until > ";

/// The artifacts of a repository that lists show, with their labels.
pub async fn all(
    conn: &mut Conn,
    repository: RepositoryId,
    now: Timestamp,
) -> Result<Vec<Candidate>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .bind(repository.0)
        .push(" AND m.accessory_of IS NULL")
        .push(NOT_ONLY_A_CHILD)
        .push(NOT_LEASED)
        .push_bind(now.0)
        .push(") ORDER BY m.id")
        .fetch_all()
        .await?;
    let tags: Vec<TagRow> =
        conn.query(TAGS).bind(repository.0).push(" ORDER BY t.name").fetch_all().await?;
    let labels: Vec<(i64, String)> = conn.query(LABELS).bind(repository.0).fetch_all().await?;
    let mut found = joined(rows, tags);
    let places: HashMap<i64, usize> =
        found.iter().enumerate().map(|(at, candidate)| (candidate.id.0, at)).collect();
    for (id, label) in labels {
        if let Some(at) = places.get(&id) {
            found[*at].labels.push(label);
        }
    }
    Ok(found)
}

/// Some manifests of a repository as they are now, without their labels.
pub async fn some(
    conn: &mut Conn,
    repository: RepositoryId,
    ids: &[ManifestId],
) -> Result<Vec<Candidate>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .bind(repository.0)
        .push(" AND m.id IN ")
        .push_list(ids.iter().map(|id| id.0))
        .fetch_all()
        .await?;
    let tags: Vec<TagRow> = conn
        .query(TAGS)
        .bind(repository.0)
        .push(" AND t.manifest_id IN ")
        .push_list(ids.iter().map(|id| id.0))
        .push(" ORDER BY t.name")
        .fetch_all()
        .await?;
    Ok(joined(rows, tags))
}

fn joined(rows: Vec<Row>, tags: Vec<TagRow>) -> Vec<Candidate> {
    let mut of: HashMap<i64, Vec<TagRow>> = HashMap::new();
    for tag in tags {
        of.entry(tag.0).or_default().push(tag);
    }
    rows.into_iter()
        .map(|row| {
            let tags = of.remove(&row.0).unwrap_or_default();
            candidate(row, tags)
        })
        .collect()
}

fn candidate(row: Row, tags: Vec<TagRow>) -> Candidate {
    let (id, digest, size, kind, created, pulled) = row;
    let pushed = tags.iter().map(|tag| tag.3).fold(created, i64::max);
    let pulled = tags.iter().map(|tag| tag.4).fold(pulled, Option::max);
    Candidate {
        id: ManifestId(id),
        digest,
        size,
        kind,
        created_at: Timestamp(created),
        pushed_at: Timestamp(pushed),
        pulled_at: pulled.map(Timestamp),
        immutable: tags.iter().any(|tag| tag.2),
        tags: tags.into_iter().map(|tag| tag.1).collect(),
        labels: Vec::new(),
    }
}
