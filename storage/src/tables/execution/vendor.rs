//! Executions of work that is done for one thing of many, such as a retention policy: each has a
//! history of its own, one runs at a time, and one whose worker went away is begun again.

use roadstead_model::Timestamp;

use super::{Execution, Row, SELECT, Status, execution, logged, take_from_silent};
use crate::{Conn, Result, Tx};

const OF_VENDOR: &str = " AND e.vendor_id = $2";

/// Which work, and for which thing.
pub type Vendor<'a> = (&'a str, i64);

/// Asks for an execution.
pub async fn insert(
    tx: &mut Tx,
    (job, vendor): Vendor<'_>,
    kind: &str,
    parameters: &str,
    now: Timestamp,
) -> Result<i64> {
    let (id,): (i64,) = tx
        .query(
            "INSERT INTO execution (job, vendor_id, kind, status, parameters, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id",
        )
        .bind(job)
        .bind(vendor)
        .bind(kind)
        .bind(Status::Pending.name())
        .bind(parameters)
        .bind(now.0)
        .fetch_one()
        .await?;
    Ok(id)
}

/// An execution for this thing.
pub async fn find(
    conn: &mut Conn,
    (job, vendor): Vendor<'_>,
    id: i64,
) -> Result<Option<Execution>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(OF_VENDOR)
        .push(" AND e.id = $3")
        .bind(job)
        .bind(vendor)
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(row.map(execution))
}

/// A page of the executions for this thing, the newest first.
pub async fn list(
    conn: &mut Conn,
    (job, vendor): Vendor<'_>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Execution>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(OF_VENDOR)
        .bind(job)
        .bind(vendor)
        .ordered(&[("e.id", true)])
        .page(limit, offset)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(execution).collect())
}

/// How many executions for this thing there are.
pub async fn count(conn: &mut Conn, (job, vendor): Vendor<'_>) -> Result<i64> {
    let query = conn.query("SELECT COUNT(*) FROM execution e WHERE e.job = $1");
    let (count,): (i64,) = query.push(OF_VENDOR).bind(job).bind(vendor).fetch_one().await?;
    Ok(count)
}

/// How many executions for this thing wait.
pub async fn waiting(conn: &mut Conn, (job, vendor): Vendor<'_>) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM execution e WHERE e.job = $1")
        .push(OF_VENDOR)
        .push(" AND e.status = $3")
        .bind(job)
        .bind(vendor)
        .bind(Status::Pending.name())
        .fetch_one()
        .await?;
    Ok(count)
}

/// The execution that waits longest, of things for which none runs.
pub async fn first_pending(conn: &mut Conn, job: &str) -> Result<Option<Execution>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(
            " AND e.status = $2 AND NOT EXISTS (SELECT 1 FROM execution r
                 WHERE r.job = e.job AND r.vendor_id = e.vendor_id AND r.status = $3)
              ORDER BY e.id LIMIT 1",
        )
        .bind(job)
        .bind(Status::Pending.name())
        .bind(Status::Running.name())
        .fetch_optional()
        .await?;
    Ok(row.map(execution))
}

/// A sign of life of the pool that is at it. False when the execution is not its any more: it was
/// told to stop, removed, or begun by somebody else.
pub async fn holds(tx: &mut Tx, id: i64, pool: &str, now: Timestamp) -> Result<bool> {
    let held = tx
        .query("UPDATE execution SET updated_at = $1 WHERE id = $2 AND status = $3 AND pool = $4")
        .bind(now.0)
        .bind(id)
        .bind(Status::Running.name())
        .bind(pool)
        .execute()
        .await?;
    Ok(held == 1)
}

/// Lets an execution that this pool is at wait again, for whoever goes on with it.
pub async fn hand_back(
    tx: &mut Tx,
    id: i64,
    pool: &str,
    line: &str,
    now: Timestamp,
) -> Result<bool> {
    let handed = tx
        .query(
            "UPDATE execution SET status = $1, log = log || $2, updated_at = $3
             WHERE id = $4 AND status = $5 AND pool = $6",
        )
        .bind(Status::Pending.name())
        .bind(logged(line, now))
        .bind(now.0)
        .bind(id)
        .bind(Status::Running.name())
        .bind(pool)
        .execute()
        .await?;
    Ok(handed == 1)
}

/// Lets executions wait again whose worker showed no sign of life since `silent_since`; returns
/// how many.
pub async fn take_back(
    tx: &mut Tx,
    job: &str,
    silent_since: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    let line = logged("the worker went away; somebody goes on", now);
    take_from_silent(tx, (job, silent_since), (Status::Pending, line), now).await
}

/// Forgets all but the newest `keep` executions for this thing that have ended.
pub async fn trim(tx: &mut Tx, (job, vendor): Vendor<'_>, keep: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM execution WHERE job = $1 AND vendor_id = $2 AND status NOT IN ($3, $4)
           AND id NOT IN (SELECT id FROM execution WHERE job = $1 AND vendor_id = $2
                          ORDER BY id DESC LIMIT $5)",
    )
    .bind(job)
    .bind(vendor)
    .bind(Status::Pending.name())
    .bind(Status::Running.name())
    .bind(keep)
    .execute()
    .await
}

/// Forgets every execution for this thing. Whoever is at one finds out by [`holds`].
pub async fn remove_all(tx: &mut Tx, (job, vendor): Vendor<'_>) -> Result<u64> {
    tx.query("DELETE FROM execution WHERE job = $1 AND vendor_id = $2")
        .bind(job)
        .bind(vendor)
        .execute()
        .await
}
