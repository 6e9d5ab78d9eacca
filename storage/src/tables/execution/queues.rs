//! Executions of all kinds of work: what waits, and what runs where.

use roadstead_model::Timestamp;

use super::{Execution, Row, Status, execution, logged};
use crate::{Conn, Result, Tx};

/// What waits of a kind of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Which work.
    pub job: String,
    /// How many executions wait.
    pub count: i64,
    /// When the first of them was asked for.
    pub oldest: Timestamp,
}

/// An execution that a worker is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The execution.
    pub id: i64,
    /// Which work.
    pub job: String,
    /// The pool that began it.
    pub pool: String,
    /// When that was.
    pub begun_at: Timestamp,
    /// When it showed its last sign of life.
    pub updated_at: Timestamp,
}

/// The kinds of work of which something waits.
pub async fn waiting(conn: &mut Conn) -> Result<Vec<Queue>> {
    let rows: Vec<(String, i64, i64)> = conn
        .query(
            "SELECT job, COUNT(*), MIN(created_at) FROM execution WHERE status = $1
             GROUP BY job ORDER BY job",
        )
        .bind(Status::Pending.name())
        .fetch_all()
        .await?;
    let queue = |(job, count, oldest)| Queue { job, count, oldest: Timestamp(oldest) };
    Ok(rows.into_iter().map(queue).collect())
}

/// What runs, the oldest first.
pub async fn running(conn: &mut Conn) -> Result<Vec<Running>> {
    let rows: Vec<(i64, String, String, i64, i64)> = conn
        .query(
            "SELECT id, job, pool, COALESCE(begun_at, updated_at), updated_at FROM execution
             WHERE status = $1 ORDER BY id",
        )
        .bind(Status::Running.name())
        .fetch_all()
        .await?;
    let running = |(id, job, pool, begun, updated)| Running {
        id,
        job,
        pool,
        begun_at: Timestamp(begun),
        updated_at: Timestamp(updated),
    };
    Ok(rows.into_iter().map(running).collect())
}

/// An execution of any kind of work.
pub async fn find(conn: &mut Conn, id: i64) -> Result<Option<Execution>> {
    let row: Option<Row> = conn
        .query(
            "SELECT id, job, vendor_id, kind, status, parameters, log, created_at, updated_at
             FROM execution WHERE id = $1",
        )
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(row.map(execution))
}

/// Takes an execution that waits for a pool: of all workers one gets true, and none while that
/// kind of work is paused.
pub async fn begin(tx: &mut Tx, id: i64, pool: &str, now: Timestamp) -> Result<bool> {
    let begun = tx
        .query(
            "UPDATE execution SET status = $1, pool = $2, begun_at = $3, updated_at = $3
             WHERE id = $4 AND status = $5
               AND NOT EXISTS (SELECT 1 FROM paused_job p WHERE p.job = execution.job)",
        )
        .bind(Status::Running.name())
        .bind(pool)
        .bind(now.0)
        .bind(id)
        .bind(Status::Pending.name())
        .execute()
        .await?;
    Ok(begun == 1)
}

/// Stops all executions of a kind of work that wait; returns how many.
pub async fn stop_waiting(tx: &mut Tx, job: &str, line: &str, now: Timestamp) -> Result<u64> {
    tx.query(
        "UPDATE execution SET status = $1, log = log || $2, updated_at = $3
         WHERE job = $4 AND status = $5",
    )
    .bind(Status::Stopped.name())
    .bind(logged(line, now))
    .bind(now.0)
    .bind(job)
    .bind(Status::Pending.name())
    .execute()
    .await
}

#[cfg(test)]
mod tests {
    use super::super::insert;
    use super::*;
    use crate::tables::paused_job;
    use crate::testing::{database, on_both_engines};

    #[tokio::test]
    async fn nobody_begins_work_that_is_paused() {
        on_both_engines(async || {
            let (_kept, db) = database(1).await;
            let mut tx = db.begin().await.unwrap();
            let purge = insert(&mut tx, "PURGE", "MANUAL", "{}", Timestamp(1)).await.unwrap();
            let other = insert(&mut tx, "OTHER", "MANUAL", "{}", Timestamp(2)).await.unwrap();
            assert!(paused_job::pause(&mut tx, "PURGE", Timestamp(3)).await.unwrap());
            assert!(!paused_job::pause(&mut tx, "PURGE", Timestamp(3)).await.unwrap());
            assert!(!begin(&mut tx, purge, "here", Timestamp(4)).await.unwrap());
            assert!(begin(&mut tx, other, "here", Timestamp(4)).await.unwrap());
            assert!(!begin(&mut tx, other, "there", Timestamp(5)).await.unwrap());
            let queue = Queue { job: "PURGE".into(), count: 1, oldest: Timestamp(1) };
            assert_eq!(waiting(&mut tx).await.unwrap(), [queue]);
            let found = running(&mut tx).await.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].id, found[0].pool.as_str()), (other, "here"));
            assert_eq!(found[0].begun_at, Timestamp(4));
            assert!(paused_job::resume(&mut tx, "PURGE").await.unwrap());
            assert!(begin(&mut tx, purge, "here", Timestamp(6)).await.unwrap());
            let third = insert(&mut tx, "PURGE", "MANUAL", "{}", Timestamp(7)).await.unwrap();
            assert_eq!(stop_waiting(&mut tx, "PURGE", "over", Timestamp(8)).await.unwrap(), 1);
            let found = find(&mut tx, third).await.unwrap().unwrap();
            assert_eq!(found.status, "Stopped");
            assert_eq!(find(&mut tx, purge).await.unwrap().unwrap().status, "Running");
            tx.commit().await.unwrap();
        })
        .await;
    }
}
