//! Tombstones: keys whose bytes are to be deleted. Nothing ever leaves here but by deletion.

use roadstead_model::{Digest, ObjectKey, Timestamp};

use crate::{Conn, Error, Result, Tx};

/// A key whose bytes are to be deleted, and what goes with them in an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grave {
    /// The key.
    pub key: ObjectKey,
    /// The multipart upload that was begun for it.
    pub multipart: Option<String>,
    /// What it was labelled with.
    pub digest: Option<Digest>,
}

impl Grave {
    /// The key of a blob, with its label.
    pub fn of_blob(key: &ObjectKey, digest: &Digest) -> Self {
        Self { digest: Some(digest.clone()), ..Self::from(key) }
    }
}

impl From<&ObjectKey> for Grave {
    fn from(key: &ObjectKey) -> Self {
        Self { key: key.clone(), multipart: None, digest: None }
    }
}

/// Marks a key for deletion, not before a moment; its former row must go in the same transaction.
pub async fn insert(
    tx: &mut Tx,
    grave: impl Into<Grave>,
    not_before: Timestamp,
    db_epoch: &str,
) -> Result<()> {
    let grave = grave.into();
    tx.query(
        "INSERT INTO tombstone (okey, backend_upload_id, digest, not_before, db_epoch)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(grave.key.as_str())
    .bind(grave.multipart)
    .bind(grave.digest.map(String::from))
    .bind(not_before.0)
    .bind(db_epoch)
    .execute()
    .await?;
    Ok(())
}

/// The same for many; `graves` may be empty.
pub async fn insert_all(
    tx: &mut Tx,
    graves: Vec<Grave>,
    not_before: Timestamp,
    db_epoch: &str,
) -> Result<()> {
    if graves.is_empty() {
        return Ok(());
    }
    let mut query = tx
        .query(
            "INSERT INTO tombstone (not_before, db_epoch, okey, backend_upload_id, digest) VALUES ",
        )
        .bind(not_before.0)
        .bind(db_epoch);
    for (place, grave) in graves.into_iter().enumerate() {
        query = query.push(if place == 0 { "($1, $2, " } else { ", ($1, $2, " });
        query = query.push_bind(grave.key.as_str()).push(", ").push_bind(grave.multipart);
        query = query.push(", ").push_bind(grave.digest.map(String::from)).push(")");
    }
    query.execute().await?;
    Ok(())
}

/// How long a worker has for what it claimed, and then, doubled each time, how long a key rests
/// that could not be deleted: 10 seconds, at most 22 hours.
const CLAIM: i64 = 10_000_000;

/// What may be deleted at `$1` in the epoch `$2`. Keys of another epoch are left out: after a restore
/// an older state may still need them. While a backup copies objects, none is due: the state that it
/// copies for may still have them.
const DUE: &str = " FROM tombstone WHERE not_before <= $1 AND db_epoch = $2
     AND NOT EXISTS (SELECT 1 FROM setting WHERE name = 'lease.backup'
                     AND CASE WHEN name = 'lease.backup' THEN CAST(value AS BIGINT)
                              ELSE 0 END > $1)";

/// Up to `limit` keys that may be deleted now; for a while other workers leave them alone, and when
/// deleting them fails, nothing is to be noted.
pub async fn claim(tx: &mut Tx, now: Timestamp, db_epoch: &str, limit: i64) -> Result<Vec<Grave>> {
    let tail = tx.skip_locked();
    let rows: Vec<(String, Option<String>, Option<String>)> = tx
        .query("SELECT okey, backend_upload_id, digest")
        .push(DUE)
        .push(" ORDER BY not_before LIMIT $3")
        .push(tail)
        .bind(now.0)
        .bind(db_epoch)
        .bind(limit)
        .fetch_all()
        .await?;
    tx.query(
        "UPDATE tombstone SET attempts = attempts + 1, not_before = $1 + $2 * (CAST(1 AS BIGINT)
             << CAST(CASE WHEN attempts < 13 THEN attempts ELSE 13 END AS INTEGER))
         WHERE okey IN ",
    )
    .bind(now.0)
    .bind(CLAIM)
    .push_list(rows.iter().map(|(key, _, _)| key.as_str()))
    .execute()
    .await?;
    rows.into_iter().map(grave).collect()
}

/// Whether a key may be deleted now.
pub async fn has_due(conn: &mut Conn, now: Timestamp, db_epoch: &str) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT okey")
        .push(DUE)
        .push(" LIMIT 1")
        .bind(now.0)
        .bind(db_epoch)
        .fetch_optional()
        .await?;
    Ok(row.is_some())
}

fn grave((key, multipart, digest): (String, Option<String>, Option<String>)) -> Result<Grave> {
    let digest = digest.map(|digest| digest.parse()).transpose();
    let digest = digest.map_err(|error| Error::inconsistent("tombstone", error))?;
    Ok(Grave { key: key.parse()?, multipart, digest })
}

/// Forgets keys whose bytes are gone.
pub async fn remove(tx: &mut Tx, keys: &[ObjectKey]) -> Result<()> {
    tx.query("DELETE FROM tombstone WHERE okey IN ")
        .push_list(keys.iter().map(ObjectKey::as_str))
        .execute()
        .await?;
    Ok(())
}

/// Lets the keys of other epochs be deleted, too, not before a moment: a check has seen that
/// nothing needs them. Returns how many those are.
pub async fn adopt(tx: &mut Tx, db_epoch: &str, not_before: Timestamp) -> Result<u64> {
    tx.query("UPDATE tombstone SET db_epoch = $1, not_before = $2 WHERE db_epoch <> $1")
        .bind(db_epoch)
        .bind(not_before.0)
        .execute()
        .await
}

#[cfg(test)]
mod tests;
