//! Tombstones: keys whose bytes are to be deleted. Nothing ever leaves here but by deletion.

use roadstead_model::{ObjectKey, Timestamp};

use crate::{Conn, Result, Tx};

/// Marks a key for deletion, not before a moment; its former row must go in the same transaction.
pub async fn insert(
    tx: &mut Tx,
    key: &ObjectKey,
    not_before: Timestamp,
    db_epoch: &str,
) -> Result<()> {
    tx.query("INSERT INTO tombstone (okey, not_before, db_epoch) VALUES ($1, $2, $3)")
        .bind(key.as_str())
        .bind(not_before.0)
        .bind(db_epoch)
        .execute()
        .await?;
    Ok(())
}

/// Up to `limit` keys that may be deleted now. Those of another database epoch are left out:
/// after a restore an older state may still need them.
pub async fn due(
    conn: &mut Conn,
    now: Timestamp,
    db_epoch: &str,
    limit: i64,
) -> Result<Vec<ObjectKey>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT okey FROM tombstone WHERE not_before <= $1 AND db_epoch = $2
             ORDER BY not_before LIMIT $3",
        )
        .bind(now.0)
        .bind(db_epoch)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.into_iter().map(|(key,)| Ok(key.parse()?)).collect()
}

/// Forgets keys whose bytes are gone.
pub async fn remove(tx: &mut Tx, keys: &[ObjectKey]) -> Result<()> {
    tx.query("DELETE FROM tombstone WHERE okey IN ")
        .push_list(keys.iter().map(ObjectKey::as_str))
        .execute()
        .await?;
    Ok(())
}

/// Tries keys that could not be deleted again later.
pub async fn defer(tx: &mut Tx, keys: &[ObjectKey], not_before: Timestamp) -> Result<()> {
    tx.query("UPDATE tombstone SET attempts = attempts + 1, not_before = $1 WHERE okey IN ")
        .bind(not_before.0)
        .push_list(keys.iter().map(ObjectKey::as_str))
        .execute()
        .await?;
    Ok(())
}
