//! Refresh tokens, by their hash.

use roadstead_model::{PrincipalId, Timestamp};

use crate::{Conn, Result, Tx};

/// A token's row.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// The hash of the token.
    pub hash: Vec<u8>,
    /// Whose it is.
    pub principal: PrincipalId,
    /// The principal's epoch when it was issued.
    pub epoch: i64,
    /// The personal token that it was got with.
    pub personal_token: Option<PrincipalId>,
    /// The secret that it was got with.
    pub secret: Option<i64>,
    /// What the client calls itself.
    pub client_id: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

type Row = (Vec<u8>, i64, i64, Option<i64>, Option<i64>, String, i64, i64);

const SELECT: &str = "SELECT hash, principal_id, epoch, token_id, secret_id, client_id, created_at,
            expires_at FROM refresh_token";

fn token(row: Row) -> RefreshToken {
    let (hash, principal, epoch, personal_token, secret, client_id, created, expires) = row;
    RefreshToken {
        hash,
        principal: PrincipalId(principal),
        epoch,
        personal_token: personal_token.map(PrincipalId),
        secret,
        client_id,
        created_at: Timestamp(created),
        expires_at: Timestamp(expires),
    }
}

/// Adds a token.
pub async fn insert(tx: &mut Tx, new: &RefreshToken) -> Result<()> {
    tx.query(
        "INSERT INTO refresh_token (hash, principal_id, epoch, token_id, secret_id, client_id,
                                    created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.hash.as_slice())
    .bind(new.principal.0)
    .bind(new.epoch)
    .bind(new.personal_token.map(|id| id.0))
    .bind(new.secret)
    .bind(new.client_id.as_str())
    .bind(new.created_at.0)
    .bind(new.expires_at.0)
    .execute()
    .await?;
    Ok(())
}

/// The token with this hash, if it has not expired.
pub async fn find(conn: &mut Conn, hash: &[u8], now: Timestamp) -> Result<Option<RefreshToken>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE hash = $1 AND expires_at > $2")
        .bind(hash)
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.map(token))
}

/// Removes what has expired; returns how many.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.query("DELETE FROM refresh_token WHERE expires_at <= $1").bind(now.0).execute().await
}

#[cfg(test)]
mod tests;
