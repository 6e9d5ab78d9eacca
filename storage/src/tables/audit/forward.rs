//! Events on their way to a collector.

use super::{Entry, Row, SELECT, entry};
use crate::{Conn, Result, Tx};

/// The oldest events that wait to be forwarded.
pub async fn waiting(conn: &mut Conn, limit: i64) -> Result<Vec<Entry>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" WHERE a.pending ORDER BY a.id LIMIT $1")
        .bind(limit)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(entry).collect())
}

/// Notes that these events were forwarded.
pub async fn done(tx: &mut Tx, ids: &[i64]) -> Result<()> {
    tx.query("UPDATE audit_log SET pending = FALSE WHERE id IN ")
        .push_list(ids.iter().copied())
        .execute()
        .await?;
    Ok(())
}

/// Removes these events, for installations that keep them with the collector only.
pub async fn remove(tx: &mut Tx, ids: &[i64]) -> Result<()> {
    tx.query("DELETE FROM audit_log WHERE id IN ").push_list(ids.iter().copied()).execute().await?;
    Ok(())
}

/// Lets up to `limit` events wait no longer, while no collector is configured; returns how many.
pub async fn release(tx: &mut Tx, limit: i64) -> Result<u64> {
    tx.query(
        "UPDATE audit_log SET pending = FALSE WHERE id IN
             (SELECT id FROM audit_log WHERE pending ORDER BY id LIMIT $1)
           AND NOT EXISTS (SELECT 1 FROM setting
                           WHERE name = 'config.audit_log_forward_endpoint' AND value <> '')",
    )
    .bind(limit)
    .execute()
    .await
}
