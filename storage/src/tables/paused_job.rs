//! Kinds of work that an administrator has paused: what is asked for waits, and nobody begins it.

use roadstead_model::Timestamp;

use crate::{Conn, Result, Tx};

/// Every kind of work that is paused.
pub async fn all(conn: &mut Conn) -> Result<Vec<String>> {
    let rows: Vec<(String,)> =
        conn.query("SELECT job FROM paused_job ORDER BY job").fetch_all().await?;
    Ok(rows.into_iter().map(|(job,)| job).collect())
}

/// Whether a kind of work is paused.
pub async fn is_paused(conn: &mut Conn, job: &str) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT paused_at FROM paused_job WHERE job = $1")
        .bind(job)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

/// Pauses a kind of work; false when it is paused already.
pub async fn pause(tx: &mut Tx, job: &str, now: Timestamp) -> Result<bool> {
    let made = tx
        .query("INSERT INTO paused_job (job, paused_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(job)
        .bind(now.0)
        .execute()
        .await?;
    Ok(made == 1)
}

/// Lets a kind of work go on; false when it was not paused.
pub async fn resume(tx: &mut Tx, job: &str) -> Result<bool> {
    Ok(tx.query("DELETE FROM paused_job WHERE job = $1").bind(job).execute().await? == 1)
}
