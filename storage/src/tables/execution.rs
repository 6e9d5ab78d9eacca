//! Executions: single runs of background work, from asking for one to its end.

use roadstead_model::Timestamp;

use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

/// How far an execution is, in Harbor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody has begun.
    Pending,
    /// A worker is at it.
    Running,
    /// It has done its work.
    Success,
    /// It failed, or its worker went away.
    Error,
    /// It was told to stop.
    Stopped,
}

impl Status {
    /// The word in the database and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Success => "Success",
            Self::Error => "Error",
            Self::Stopped => "Stopped",
        }
    }
}

/// An execution's row.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The id.
    pub id: i64,
    /// Which work: `PURGE_AUDIT_LOG`.
    pub job: String,
    /// What started it: `MANUAL` or `SCHEDULE`.
    pub kind: String,
    /// How far it is: the name of a [`Status`].
    pub status: String,
    /// What it is to do and what came of it, in JSON.
    pub parameters: String,
    /// What it did, in lines for people.
    pub log: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it showed its last sign of life.
    pub updated_at: Timestamp,
}

type Row = (i64, String, String, String, String, String, i64, i64);

const SELECT: &str = "SELECT e.id, e.job, e.kind, e.status, e.parameters, e.log, e.created_at,
            e.updated_at FROM execution e WHERE e.job = $1";

fn execution((id, job, kind, status, parameters, log, created, updated): Row) -> Execution {
    Execution {
        id,
        job,
        kind,
        status,
        parameters,
        log,
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// Asks for an execution.
pub async fn insert(
    tx: &mut Tx,
    job: &str,
    kind: &str,
    parameters: &str,
    now: Timestamp,
) -> Result<i64> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO execution (job, kind, status, parameters, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $5) RETURNING id",
        )
        .bind(job)
        .bind(kind)
        .bind(Status::Pending.name())
        .bind(parameters)
        .bind(now.0)
        .fetch_one()
        .await?;
    Ok(id)
}

/// An execution of this kind of work.
pub async fn find(conn: &mut Conn, job: &str, id: i64) -> Result<Option<Execution>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" AND e.id = $2").bind(job).bind(id).fetch_optional().await?;
    Ok(row.map(execution))
}

/// The execution that waits longest.
pub async fn first_pending(conn: &mut Conn, job: &str) -> Result<Option<Execution>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" AND e.status = $2 ORDER BY e.id LIMIT 1")
        .bind(job)
        .bind(Status::Pending.name())
        .fetch_optional()
        .await?;
    Ok(row.map(execution))
}

fn narrowed<'c>(
    conn: &'c mut Conn,
    select: &'static str,
    job: &str,
    conditions: &[Condition],
) -> Query<'c> {
    conn.query(select).bind(job).narrowed(conditions)
}

/// Executions of a kind of work; `order` is (column, descending).
pub async fn list(
    conn: &mut Conn,
    job: &str,
    conditions: &[Condition],
    order: &[(&'static str, bool)],
    limit: i64,
    offset: i64,
) -> Result<Vec<Execution>> {
    let rows: Vec<Row> = narrowed(conn, SELECT, job, conditions)
        .ordered(order)
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(execution).collect())
}

/// How many executions [`list`] has.
pub async fn count(conn: &mut Conn, job: &str, conditions: &[Condition]) -> Result<i64> {
    let select = "SELECT COUNT(*) FROM execution e WHERE e.job = $1";
    let (count,) = narrowed(conn, select, job, conditions).fetch_one::<(i64,)>().await?;
    Ok(count)
}

/// Takes an execution that waits: of all workers one gets true.
pub async fn begin(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let (from, to) = (&[Status::Pending], Status::Running);
    Ok(set_status(tx, id, from, to, "", now).await? == 1)
}

/// A sign of life, with a line for the log. False when the execution is not running any more,
/// because it was told to stop, or was given up as lost.
pub async fn progress(tx: &mut Tx, id: i64, line: &str, now: Timestamp) -> Result<bool> {
    let (from, to) = (&[Status::Running], Status::Running);
    Ok(set_status(tx, id, from, to, line, now).await? == 1)
}

/// Ends a running execution, with what came of it; false when it is not running any more.
pub async fn finish(
    tx: &mut Tx,
    id: i64,
    status: Status,
    parameters: &str,
    line: &str,
    now: Timestamp,
) -> Result<bool> {
    if set_status(tx, id, &[Status::Running], status, line, now).await? == 0 {
        return Ok(false);
    }
    tx.query("UPDATE execution SET parameters = $1 WHERE id = $2")
        .bind(parameters)
        .bind(id)
        .execute()
        .await?;
    Ok(true)
}

/// Tells an execution that has not ended to stop; false when it has.
pub async fn stop(tx: &mut Tx, id: i64, line: &str, now: Timestamp) -> Result<bool> {
    let from = &[Status::Pending, Status::Running];
    Ok(set_status(tx, id, from, Status::Stopped, line, now).await? == 1)
}

async fn set_status(
    tx: &mut Tx,
    id: i64,
    from: &[Status],
    to: Status,
    line: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.query("UPDATE execution SET status = $1, log = log || $2, updated_at = $3 WHERE id = $4")
        .bind(to.name())
        .bind(logged(line, now))
        .bind(now.0)
        .bind(id)
        .push(" AND status IN ")
        .push_list(from.iter().map(|status| status.name()))
        .execute()
        .await
}

fn logged(line: &str, now: Timestamp) -> String {
    if line.is_empty() { String::new() } else { format!("{} {line}\n", now.rfc3339()) }
}

/// Gives up executions whose worker showed no sign of life since `silent_since`; returns how many.
pub async fn give_up(
    tx: &mut Tx,
    job: &str,
    silent_since: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    tx.query(
        "UPDATE execution SET status = $1, log = log || $2, updated_at = $3
         WHERE job = $4 AND status = $5 AND updated_at < $6",
    )
    .bind(Status::Error.name())
    .bind(logged("the worker went away before the end", now))
    .bind(now.0)
    .bind(job)
    .bind(Status::Running.name())
    .bind(silent_since.0)
    .execute()
    .await
}

/// Whether a worker is silent, so that [`give_up`] has something to do.
pub async fn has_silent(conn: &mut Conn, job: &str, silent_since: Timestamp) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query(
            "SELECT id FROM execution WHERE job = $1 AND status = $2 AND updated_at < $3 LIMIT 1",
        )
        .bind(job)
        .bind(Status::Running.name())
        .bind(silent_since.0)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Forgets all but the newest `keep` executions that have ended.
pub async fn trim(tx: &mut Tx, job: &str, keep: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM execution WHERE job = $1 AND status NOT IN ($2, $3) AND id NOT IN
             (SELECT id FROM execution WHERE job = $1 ORDER BY id DESC LIMIT $4)",
    )
    .bind(job)
    .bind(Status::Pending.name())
    .bind(Status::Running.name())
    .bind(keep)
    .execute()
    .await
}
