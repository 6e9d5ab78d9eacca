//! What a task of retention decides about each artifact: a row for each, made before anything is
//! deleted, so that whoever goes on with a task goes on with what was decided.

use roadstead_model::{ManifestId, Timestamp};

use super::candidate::Candidate;
use crate::{Conn, Result, Tx};

/// What becomes of an artifact, in the words of the task's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be deleted, and is still there.
    Wait,
    /// It is deleted, or in a dry run would be.
    Delete,
    /// It stays.
    Retain,
    /// It stays, because a rule protects one of its tags.
    Immutable,
    /// It could not be deleted.
    Error,
}

impl Verdict {
    /// The word in the database and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "WAIT",
            Self::Delete => "DEL",
            Self::Retain => "RETAIN",
            Self::Immutable => "IMMUTABLE",
            Self::Error => "ERR",
        }
    }
}

/// What is told of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The manifest, which may be gone.
    pub id: ManifestId,
    /// The name of a [`Verdict`].
    pub verdict: String,
    /// Its digest.
    pub digest: String,
    /// Its tags, with commas between them.
    pub tags: String,
    /// Harbor's word for what it is.
    pub kind: String,
    /// The names of its labels, with commas between them.
    pub labels: String,
    /// When it was pushed last.
    pub pushed_at: Timestamp,
    /// When it was pulled last.
    pub pulled_at: Option<Timestamp>,
    /// When it was pushed first.
    pub created_at: Timestamp,
}

type Row = (i64, String, String, String, String, String, i64, Option<i64>, i64);

const SELECT: &str =
    "SELECT manifest_id, verdict, digest, tags, kind, labels, pushed_at, pulled_at,
            created_at FROM retention_verdict WHERE task_id = $1";

fn line(row: Row) -> Line {
    let (id, verdict, digest, tags, kind, labels, pushed, pulled, created) = row;
    Line {
        id: ManifestId(id),
        verdict,
        digest,
        tags,
        kind,
        labels,
        pushed_at: Timestamp(pushed),
        pulled_at: pulled.map(Timestamp),
        created_at: Timestamp(created),
    }
}

impl Line {
    /// Whether the artifact is still as it was when it was decided about.
    pub fn still_fits(&self, now: &Candidate) -> bool {
        self.tags == now.tags.join(",")
            && self.pushed_at == now.pushed_at
            && self.pulled_at == now.pulled_at
    }
}

/// Notes what is decided.
pub async fn insert(tx: &mut Tx, task: i64, of: &Candidate, verdict: Verdict) -> Result<()> {
    tx.query(
        "INSERT INTO retention_verdict (task_id, manifest_id, verdict, digest, tags, kind, labels,
             pushed_at, pulled_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(task)
    .bind(of.id.0)
    .bind(verdict.name())
    .bind(of.digest.as_str())
    .bind(of.tags.join(","))
    .bind(of.kind.as_str())
    .bind(of.labels.join(","))
    .bind(of.pushed_at.0)
    .bind(of.pulled_at.map(|at| at.0))
    .bind(of.created_at.0)
    .execute()
    .await?;
    Ok(())
}

/// Forgets what was decided in a task, to decide anew.
pub async fn remove_all(tx: &mut Tx, task: i64) -> Result<()> {
    tx.query("DELETE FROM retention_verdict WHERE task_id = $1").bind(task).execute().await?;
    Ok(())
}

/// Artifacts that are to be deleted: what was pushed last comes first, as an index follows what it
/// names.
pub async fn waiting(conn: &mut Conn, task: i64, limit: i64) -> Result<Vec<Line>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" AND verdict = $2 ORDER BY manifest_id DESC LIMIT $3")
        .bind(task)
        .bind(Verdict::Wait.name())
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(line).collect())
}

/// Notes what became of an artifact.
pub async fn set(tx: &mut Tx, task: i64, id: ManifestId, verdict: Verdict) -> Result<()> {
    tx.query("UPDATE retention_verdict SET verdict = $1 WHERE task_id = $2 AND manifest_id = $3")
        .bind(verdict.name())
        .bind(task)
        .bind(id.0)
        .execute()
        .await?;
    Ok(())
}

/// What a task deleted, or could not delete.
pub async fn gone(conn: &mut Conn, task: i64, limit: i64) -> Result<Vec<Line>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" AND verdict IN ($2, $3) ORDER BY manifest_id LIMIT $4")
        .bind(task)
        .bind(Verdict::Delete.name())
        .bind(Verdict::Error.name())
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(line).collect())
}

/// All that a task decided, what was pushed last first.
pub async fn all(conn: &mut Conn, task: i64) -> Result<Vec<Line>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" ORDER BY pushed_at DESC, manifest_id DESC")
        .bind(task)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(line).collect())
}
