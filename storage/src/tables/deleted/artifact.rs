//! Deleted artifacts.

use std::collections::HashMap;

use roadstead_model::{ManifestId, ProjectId, Timestamp};

use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

/// An artifact that was deleted, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The id that it had.
    pub id: i64,
    /// The repository's whole name.
    pub repository: String,
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Harbor's word for what it is.
    pub kind: String,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// Its bytes and those of all that it names.
    pub total_size: i64,
    /// The digest of what it belongs to.
    pub belongs_to: Option<String>,
    /// The deleted repository that it went with.
    pub deleted_repository: Option<i64>,
    /// Whether it counts in the quota.
    pub counted: bool,
    /// Why it was deleted.
    pub reason: String,
    /// When.
    pub deleted_at: Timestamp,
    /// By whom.
    pub deleted_by: String,
    /// It can be brought back until then.
    pub kept_until: Timestamp,
}

type Row = (
    i64,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<String>,
    Option<i64>,
    bool,
    String,
    i64,
    String,
    i64,
);

const SELECT: &str = "SELECT a.id, a.repository, a.digest, a.media_type, a.kind, a.artifact_type,
            a.total_size, a.belongs_to, a.deleted_repository_id, a.counted, a.reason, a.deleted_at,
            a.deleted_by, a.kept_until";

fn artifact(row: Row) -> Artifact {
    let (id, repository, digest, media_type, kind, artifact_type, total_size, belongs_to, ..) = row;
    let (.., deleted_repository, counted, reason, deleted_at, deleted_by, kept_until) = row;
    Artifact {
        id,
        repository,
        digest,
        media_type,
        kind,
        artifact_type,
        total_size,
        belongs_to,
        deleted_repository,
        counted,
        reason,
        deleted_at: Timestamp(deleted_at),
        deleted_by,
        kept_until: Timestamp(kept_until),
    }
}

fn narrowed<'c>(query: Query<'c>, project: ProjectId, conditions: &[Condition]) -> Query<'c> {
    let query = query.push(" FROM deleted_artifact a WHERE a.project_id = ").push_bind(project.0);
    query.narrowed(conditions)
}

/// A page of the deleted artifacts of a project; `order` is (column, descending).
pub async fn list_artifacts(
    conn: &mut Conn,
    project: ProjectId,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    (limit, offset): (i64, i64),
) -> Result<Vec<Artifact>> {
    let rows: Vec<Row> = narrowed(conn.query(SELECT), project, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(artifact).collect())
}

/// How many [`list_artifacts`] has.
pub async fn count_artifacts(
    conn: &mut Conn,
    project: ProjectId,
    conditions: &[Condition],
) -> Result<i64> {
    let query = narrowed(conn.query("SELECT COUNT(*)"), project, conditions);
    Ok(query.fetch_one::<(i64,)>().await?.0)
}

/// A deleted artifact of a project.
pub async fn find_artifact(
    conn: &mut Conn,
    project: ProjectId,
    id: i64,
) -> Result<Option<Artifact>> {
    let row: Option<Row> = narrowed(conn.query(SELECT), project, &[])
        .push(" AND a.id = ")
        .push_bind(id)
        .fetch_optional()
        .await?;
    Ok(row.map(artifact))
}

/// The names of the tags that artifacts were deleted with.
pub async fn tags_of(conn: &mut Conn, ids: &[i64]) -> Result<HashMap<i64, Vec<String>>> {
    let rows: Vec<(i64, String)> = conn
        .query("SELECT artifact_id, name FROM deleted_tag WHERE artifact_id IN ")
        .push_list(ids.iter().copied())
        .push(" ORDER BY name")
        .fetch_all()
        .await?;
    let mut tags: HashMap<i64, Vec<String>> = HashMap::new();
    for (id, name) in rows {
        tags.entry(id).or_default().push(name);
    }
    Ok(tags)
}

/// What is deleted of one repository and was deleted last among what has this digest.
pub async fn newest_artifact(
    conn: &mut Conn,
    project: ProjectId,
    repository: &str,
    digest: &str,
) -> Result<Option<i64>> {
    let row: Option<(i64,)> = conn
        .query(
            "SELECT id FROM deleted_artifact
             WHERE project_id = $1 AND repository = $2 AND digest = $3 ORDER BY id DESC LIMIT 1",
        )
        .bind(project.0)
        .bind(repository)
        .bind(digest)
        .fetch_optional()
        .await?;
    Ok(row.map(|(id,)| id))
}

/// What is deleted of one repository and belongs to an artifact; at most `limit`.
pub async fn belonging_to(
    conn: &mut Conn,
    project: ProjectId,
    repository: &str,
    digest: &str,
    limit: i64,
) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT id FROM deleted_artifact
             WHERE project_id = $1 AND repository = $2 AND belongs_to = $3 ORDER BY id LIMIT $4",
        )
        .bind(project.0)
        .bind(repository)
        .bind(digest)
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// What went with a deleted repository and is kept, what others name first.
pub async fn of_repository(conn: &mut Conn, id: i64) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT id FROM deleted_artifact WHERE deleted_repository_id = $1 ORDER BY depth, id",
        )
        .bind(id)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The digests of the manifests that a deleted index named.
pub async fn children_of(conn: &mut Conn, id: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT digest FROM deleted_artifact_child WHERE artifact_id = $1 ORDER BY digest")
        .bind(id)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(digest,)| digest).collect())
}

/// A deleted artifact with all that it takes to bring it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The id that it had.
    pub id: i64,
    /// The repository's whole name.
    pub repository: String,
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// As they were pushed.
    pub bytes: Vec<u8>,
}

/// A deleted artifact, for this transaction alone; None when it is gone.
pub async fn take_artifact(tx: &mut Tx, project: ProjectId, id: i64) -> Result<Option<Kept>> {
    let row: Option<(String, String, String, Vec<u8>)> = tx
        .query_locking(
            "SELECT a.repository, a.digest, a.media_type, a.bytes FROM deleted_artifact a
             WHERE a.project_id = $1 AND a.id = $2",
            "a",
        )
        .bind(project.0)
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(row.map(|(repository, digest, media_type, bytes)| Kept {
        id,
        repository,
        digest,
        media_type,
        bytes,
    }))
}

/// The labels that a deleted artifact carried and that are still there.
pub async fn labels_of(conn: &mut Conn, id: i64) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT label_id FROM deleted_artifact_label WHERE artifact_id = $1 ORDER BY label_id",
        )
        .bind(id)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Gives an artifact labels, those that are gone and those that it has left out.
pub async fn put_labels(tx: &mut Tx, manifest: ManifestId, labels: &[i64]) -> Result<()> {
    tx.query(
        "INSERT INTO artifact_label (manifest_id, label_id)
         SELECT $1, l.id FROM label l WHERE l.id IN ",
    )
    .bind(manifest.0)
    .push_list(labels.iter().copied())
    .push(" ORDER BY l.id ON CONFLICT DO NOTHING")
    .execute()
    .await?;
    Ok(())
}
