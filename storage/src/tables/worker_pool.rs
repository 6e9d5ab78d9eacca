//! The servers that do background work. Each tells now and then that it is there.

use roadstead_model::Timestamp;

use crate::{Conn, Result, Tx};

/// A pool's row: one process that does background work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its id, made anew whenever the process starts.
    pub id: String,
    /// The machine's name.
    pub host: String,
    /// The process's number there.
    pub pid: i64,
    /// When it started.
    pub started_at: Timestamp,
    /// When it showed its last sign of life.
    pub heartbeat_at: Timestamp,
}

/// A pool shows a sign of life.
pub async fn beat(tx: &mut Tx, pool: &Pool) -> Result<()> {
    tx.query(
        "INSERT INTO worker_pool (id, host, pid, started_at, heartbeat_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at",
    )
    .bind(pool.id.as_str())
    .bind(pool.host.as_str())
    .bind(pool.pid)
    .bind(pool.started_at.0)
    .bind(pool.heartbeat_at.0)
    .execute()
    .await?;
    Ok(())
}

/// Forgets a pool.
pub async fn forget(tx: &mut Tx, id: &str) -> Result<()> {
    tx.query("DELETE FROM worker_pool WHERE id = $1").bind(id).execute().await?;
    Ok(())
}

/// Forgets the pools that were silent since a moment.
pub async fn forget_silent(tx: &mut Tx, since: Timestamp) -> Result<()> {
    tx.query("DELETE FROM worker_pool WHERE heartbeat_at < $1").bind(since.0).execute().await?;
    Ok(())
}

/// The pools that showed a sign of life since a moment, the oldest first.
pub async fn list(conn: &mut Conn, since: Timestamp) -> Result<Vec<Pool>> {
    type Row = (String, String, i64, i64, i64);
    let rows: Vec<Row> = conn
        .query(
            "SELECT id, host, pid, started_at, heartbeat_at FROM worker_pool
             WHERE heartbeat_at >= $1 ORDER BY started_at, id",
        )
        .bind(since.0)
        .fetch_all()
        .await?;
    let pool = |(id, host, pid, started, heartbeat): Row| Pool {
        id,
        host,
        pid,
        started_at: Timestamp(started),
        heartbeat_at: Timestamp(heartbeat),
    };
    Ok(rows.into_iter().map(pool).collect())
}
