//! Schedules: work that repeats. Each kind of work has at most one.

use roadstead_model::Timestamp;

use crate::{Conn, Result, Tx};

/// A schedule's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Which work: `PURGE_AUDIT_LOG`.
    pub job: String,
    /// How often, in Harbor's words: `Hourly`, `Daily`, `Weekly`, `Custom`.
    pub kind: String,
    /// How often, as a cron expression of six fields.
    pub cron: String,
    /// What the work is to do, in JSON.
    pub parameters: String,
    /// When it is due; None for never again.
    pub next_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

type Row = (String, String, String, String, Option<i64>, i64, i64);

const SELECT: &str =
    "SELECT job, kind, cron, parameters, next_at, created_at, updated_at FROM schedule";

fn schedule((job, kind, cron, parameters, next, created, updated): Row) -> Schedule {
    Schedule {
        job,
        kind,
        cron,
        parameters,
        next_at: next.map(Timestamp),
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// The schedule of a kind of work.
pub async fn find(conn: &mut Conn, job: &str) -> Result<Option<Schedule>> {
    let row: Option<Row> =
        conn.query(SELECT).push(" WHERE job = $1").bind(job).fetch_optional().await?;
    Ok(row.map(schedule))
}

/// Makes a schedule, or replaces the one that there is.
pub async fn put(tx: &mut Tx, new: &Schedule) -> Result<()> {
    tx.query(
        "INSERT INTO schedule (job, kind, cron, parameters, next_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (job) DO UPDATE SET kind = excluded.kind, cron = excluded.cron,
             parameters = excluded.parameters, next_at = excluded.next_at,
             updated_at = excluded.updated_at",
    )
    .bind(new.job.as_str())
    .bind(new.kind.as_str())
    .bind(new.cron.as_str())
    .bind(new.parameters.as_str())
    .bind(new.next_at.map(|at| at.0))
    .bind(new.created_at.0)
    .bind(new.updated_at.0)
    .execute()
    .await?;
    Ok(())
}

/// Removes a schedule; false when there was none.
pub async fn remove(tx: &mut Tx, job: &str) -> Result<bool> {
    Ok(tx.query("DELETE FROM schedule WHERE job = $1").bind(job).execute().await? == 1)
}

/// Moves a schedule that was due at `was` on to `next`. False when somebody else did, or the
/// schedule is another one by now: of all replicas one gets true for each moment.
pub async fn advance(
    tx: &mut Tx,
    job: &str,
    was: Timestamp,
    next: Option<Timestamp>,
) -> Result<bool> {
    let moved = tx
        .query("UPDATE schedule SET next_at = $1 WHERE job = $2 AND next_at = $3")
        .bind(next.map(|at| at.0))
        .bind(job)
        .bind(was.0)
        .execute()
        .await?;
    Ok(moved == 1)
}
