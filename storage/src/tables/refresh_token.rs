//! Refresh tokens, by their hash.

use roadstead_model::{PrincipalId, Timestamp};

use crate::{Conn, Result, Tx};

/// Adds a token that works until `expires_at`, as long as its principal's epoch stays.
pub async fn insert(
    tx: &mut Tx,
    hash: &[u8],
    principal: PrincipalId,
    epoch: i64,
    client_id: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    tx.query(
        "INSERT INTO refresh_token (hash, principal_id, epoch, client_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(hash)
    .bind(principal.0)
    .bind(epoch)
    .bind(client_id)
    .bind(now.0)
    .bind(expires_at.0)
    .execute()
    .await?;
    Ok(())
}

/// Whose token this is, and the epoch it was issued in, if it has not expired.
pub async fn find(
    conn: &mut Conn,
    hash: &[u8],
    now: Timestamp,
) -> Result<Option<(PrincipalId, i64)>> {
    let row: Option<(i64, i64)> = conn
        .query("SELECT principal_id, epoch FROM refresh_token WHERE hash = $1 AND expires_at > $2")
        .bind(hash)
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(principal, epoch)| (PrincipalId(principal), epoch)))
}

/// Removes what has expired; returns how many.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.query("DELETE FROM refresh_token WHERE expires_at <= $1").bind(now.0).execute().await
}
