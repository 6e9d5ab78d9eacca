//! Executions: single runs of background work, from asking for one to its end.

use roadstead_model::Timestamp;

use crate::filter::Condition;
use crate::{Conn, Query, Result, Tx};

pub mod queues;
pub mod vendor;

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
    /// Which work: `PURGE_AUDIT_LOG`, `GARBAGE_COLLECTION`, `RETENTION`.
    pub job: String,
    /// For which thing of many it is done, such as a policy; 0 for work that there is one of.
    pub vendor: i64,
    /// What started it: `MANUAL`, `SCHEDULE`, or `EVENT` for what goes on by itself.
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

type Row = (i64, String, i64, String, String, String, String, i64, i64);

const SELECT: &str = "SELECT e.id, e.job, e.vendor_id, e.kind, e.status, e.parameters, e.log,
            e.created_at, e.updated_at FROM execution e WHERE e.job = $1";

fn execution(row: Row) -> Execution {
    let (id, job, vendor, kind, status, parameters, log, created, updated) = row;
    Execution {
        id,
        job,
        vendor,
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
    vendor::insert(tx, (job, 0), kind, parameters, now).await
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
    note(tx, id, parameters).await?;
    Ok(true)
}

/// Notes what came of an execution that somebody else ended.
pub async fn note(tx: &mut Tx, id: i64, parameters: &str) -> Result<()> {
    tx.query("UPDATE execution SET parameters = $1 WHERE id = $2")
        .bind(parameters)
        .bind(id)
        .execute()
        .await?;
    Ok(())
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

/// Each line with its time.
fn logged(line: &str, now: Timestamp) -> String {
    let now = now.rfc3339();
    let dated = |all: String, line: &str| all + &now + " " + line + "\n";
    line.lines().fold(String::new(), dated)
}

/// The execution that tells of work which goes on by itself, begun since a moment.
pub async fn ongoing(conn: &mut Conn, job: &str, since: Timestamp) -> Result<Option<Execution>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" AND e.kind = 'EVENT' AND e.created_at >= $2 ORDER BY e.id DESC LIMIT 1")
        .bind(job)
        .bind(since.0)
        .fetch_optional()
        .await?;
    Ok(row.map(execution))
}

/// Begins one that tells of work which goes on by itself.
pub async fn insert_ongoing(
    tx: &mut Tx,
    job: &str,
    parameters: &str,
    line: &str,
    now: Timestamp,
) -> Result<()> {
    let id = insert(tx, job, "EVENT", parameters, now).await?;
    set_status(tx, id, &[Status::Pending], Status::Success, line, now).await?;
    Ok(())
}

/// Adds to what [`ongoing`] found; false when somebody else did meanwhile.
pub async fn add_to_ongoing(
    tx: &mut Tx,
    found: &Execution,
    parameters: &str,
    line: &str,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx
        .query(
            "UPDATE execution SET parameters = $1, log = log || $2, updated_at = $3
             WHERE id = $4 AND parameters = $5",
        )
        .bind(parameters)
        .bind(logged(line, now))
        .bind(now.0)
        .bind(found.id)
        .bind(found.parameters.as_str())
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Whether one waits or runs.
pub async fn is_active(conn: &mut Conn, job: &str) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT id FROM execution WHERE job = $1 AND status IN ($2, $3) LIMIT 1")
        .bind(job)
        .bind(Status::Pending.name())
        .bind(Status::Running.name())
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Gives up executions whose worker showed no sign of life since `silent_since`; returns how many.
pub async fn give_up(
    tx: &mut Tx,
    job: &str,
    silent_since: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    let line = logged("the worker went away before the end", now);
    take_from_silent(tx, (job, silent_since), (Status::Error, line), now).await
}

/// Gives the running executions of silent workers another status, with a line for the log.
async fn take_from_silent(
    tx: &mut Tx,
    (job, silent_since): (&str, Timestamp),
    (to, line): (Status, String),
    now: Timestamp,
) -> Result<u64> {
    tx.query(
        "UPDATE execution SET status = $1, log = log || $2, updated_at = $3
         WHERE job = $4 AND status = $5 AND updated_at < $6",
    )
    .bind(to.name())
    .bind(line)
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

#[cfg(test)]
mod tests;
