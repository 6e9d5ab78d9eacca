//! Schedules: work that repeats. Each kind of work has at most one, or one for each thing that it is
//! done for.

use roadstead_model::Timestamp;

use crate::{Conn, Result, Tx};

/// A schedule's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Which work: `PURGE_AUDIT_LOG`, `GARBAGE_COLLECTION`.
    pub job: String,
    /// For which thing of many it is done, such as a policy; 0 for work that there is one of.
    pub vendor: i64,
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

type Row = (String, i64, String, String, String, Option<i64>, i64, i64);

const SELECT: &str =
    "SELECT job, vendor_id, kind, cron, parameters, next_at, created_at, updated_at FROM schedule";

fn schedule((job, vendor, kind, cron, parameters, next, created, updated): Row) -> Schedule {
    Schedule {
        job,
        vendor,
        kind,
        cron,
        parameters,
        next_at: next.map(Timestamp),
        created_at: Timestamp(created),
        updated_at: Timestamp(updated),
    }
}

/// The schedule of a kind of work that there is one of.
pub async fn find(conn: &mut Conn, job: &str) -> Result<Option<Schedule>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE job = $1 AND vendor_id = 0")
        .bind(job)
        .fetch_optional()
        .await?;
    Ok(row.map(schedule))
}

/// The schedules of a kind of work that are due.
pub async fn due(conn: &mut Conn, job: &str, now: Timestamp) -> Result<Vec<Schedule>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" WHERE job = $1 AND next_at <= $2 ORDER BY next_at, vendor_id")
        .bind(job)
        .bind(now.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(schedule).collect())
}

/// A page of the schedules, by the kind of work.
pub async fn list(conn: &mut Conn, limit: i64, offset: i64) -> Result<Vec<Schedule>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .ordered(&[("job", false), ("vendor_id", false)])
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(schedule).collect())
}

/// How many schedules there are.
pub async fn count(conn: &mut Conn) -> Result<i64> {
    Ok(conn.query("SELECT COUNT(*) FROM schedule").fetch_one::<(i64,)>().await?.0)
}

/// Makes a schedule, or replaces the one that there is.
pub async fn put(tx: &mut Tx, new: &Schedule) -> Result<()> {
    tx.query(
        "INSERT INTO schedule (job, vendor_id, kind, cron, parameters, next_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (job, vendor_id) DO UPDATE SET kind = excluded.kind, cron = excluded.cron,
             parameters = excluded.parameters, next_at = excluded.next_at,
             updated_at = excluded.updated_at",
    )
    .bind(new.job.as_str())
    .bind(new.vendor)
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
    remove_of(tx, (job, 0)).await
}

/// Removes the schedule of work for one thing of many; false when there was none.
pub async fn remove_of(tx: &mut Tx, (job, vendor): (&str, i64)) -> Result<bool> {
    let removed = tx
        .query("DELETE FROM schedule WHERE job = $1 AND vendor_id = $2")
        .bind(job)
        .bind(vendor)
        .execute()
        .await?;
    Ok(removed == 1)
}

/// Moves a schedule that was due at `was` on to `next`. False when somebody else did, or the
/// schedule is another one by now: of all replicas one gets true for each moment.
pub async fn advance(
    tx: &mut Tx,
    (job, vendor): (&str, i64),
    was: Timestamp,
    next: Option<Timestamp>,
) -> Result<bool> {
    let moved = tx
        .query(
            "UPDATE schedule SET next_at = $1 WHERE job = $2 AND vendor_id = $3 AND next_at = $4",
        )
        .bind(next.map(|at| at.0))
        .bind(job)
        .bind(vendor)
        .bind(was.0)
        .execute()
        .await?;
    Ok(moved == 1)
}

#[cfg(test)]
mod tests;
