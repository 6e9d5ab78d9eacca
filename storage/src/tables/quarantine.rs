//! Objects that no row knows. They are kept for a while, because what looks like rubbish after a
//! mistake may be all that is left; then they become tombstones.

use std::collections::{HashMap, HashSet};

use roadstead_model::{ObjectKey, Timestamp};

use crate::{Conn, Result, Tx};

/// Which of `keys` a blob, an upload or a tombstone knows, in one moment.
pub async fn owned(conn: &mut Conn, keys: &[ObjectKey]) -> Result<HashSet<String>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT okey FROM blob WHERE okey IN ")
        .push_list(keys.iter().map(ObjectKey::as_str))
        .push(" UNION ALL SELECT okey FROM upload WHERE okey IN ")
        .push_list(keys.iter().map(ObjectKey::as_str))
        .push(" UNION ALL SELECT tail_key FROM upload WHERE tail_key IN ")
        .push_list(keys.iter().map(ObjectKey::as_str))
        .push(" UNION ALL SELECT next_tail_key FROM upload WHERE next_tail_key IN ")
        .push_list(keys.iter().map(ObjectKey::as_str))
        .push(" UNION ALL SELECT okey FROM tombstone WHERE okey IN ")
        .push_list(keys.iter().map(ObjectKey::as_str))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// When each of `keys` was seen first, for those that are in quarantine.
pub async fn first_seen(conn: &mut Conn, keys: &[ObjectKey]) -> Result<HashMap<String, Timestamp>> {
    let rows: Vec<(String, i64)> = conn
        .query("SELECT okey, first_seen FROM quarantine WHERE okey IN ")
        .push_list(keys.iter().map(ObjectKey::as_str))
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(key, at)| (key, Timestamp(at))).collect())
}

/// Puts a key into quarantine unless it is there, or some row knows it.
pub async fn put(tx: &mut Tx, key: &ObjectKey, why: &str, now: Timestamp) -> Result<bool> {
    if !super::blob::owners_of_key(tx, key).await?.is_empty() {
        return Ok(false);
    }
    let added = tx
        .query(
            "INSERT INTO quarantine (okey, first_seen, why) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(key.as_str())
        .bind(now.0)
        .bind(why)
        .execute()
        .await?;
    Ok(added == 1)
}

/// Lets a key go; false when it was not in quarantine.
pub async fn release(tx: &mut Tx, key: &ObjectKey) -> Result<bool> {
    let removed =
        tx.query("DELETE FROM quarantine WHERE okey = $1").bind(key.as_str()).execute().await?;
    Ok(removed == 1)
}

/// Lets go of the keys that some row knows again, as after a restore.
pub async fn release_owned(tx: &mut Tx) -> Result<u64> {
    tx.query(
        "DELETE FROM quarantine WHERE EXISTS (SELECT 1 FROM blob b WHERE b.okey = quarantine.okey)
            OR EXISTS (SELECT 1 FROM upload u WHERE u.okey = quarantine.okey)
            OR EXISTS (SELECT 1 FROM upload u WHERE u.tail_key = quarantine.okey)
            OR EXISTS (SELECT 1 FROM upload u WHERE u.next_tail_key = quarantine.okey)
            OR EXISTS (SELECT 1 FROM tombstone t WHERE t.okey = quarantine.okey)",
    )
    .execute()
    .await
}

#[cfg(test)]
mod tests;
