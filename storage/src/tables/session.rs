//! Logins of browsers, by the hash of their cookie.

use roadstead_model::{PrincipalId, Timestamp};

use crate::{Conn, Result, Tx};

/// A session's row.
#[derive(Clone, Debug)]
pub struct Session {
    /// The hash of the cookie.
    pub hash: Vec<u8>,
    /// Whose it is.
    pub principal: PrincipalId,
    /// The principal's epoch at the login.
    pub epoch: i64,
    /// Where the login came from.
    pub address: String,
    /// What the browser said of itself.
    pub user_agent: String,
    /// The provider's token of an OpenID login, sealed.
    pub id_token: Option<Vec<u8>>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends, unless it is used.
    pub expires_at: Timestamp,
}

type Row = (Vec<u8>, i64, i64, String, String, Option<Vec<u8>>, i64, i64);

const SELECT: &str = "SELECT hash, principal_id, epoch, address, user_agent, id_token, created_at,
            expires_at FROM session";

fn session(row: Row) -> Session {
    let (hash, principal, epoch, address, user_agent, id_token, created, expires) = row;
    Session {
        hash,
        principal: PrincipalId(principal),
        epoch,
        address,
        user_agent,
        id_token,
        created_at: Timestamp(created),
        expires_at: Timestamp(expires),
    }
}

/// Adds a session.
pub async fn insert(tx: &mut Tx, new: &Session) -> Result<()> {
    tx.query(
        "INSERT INTO session (hash, principal_id, epoch, address, user_agent, id_token, created_at,
                              expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.hash.as_slice())
    .bind(new.principal.0)
    .bind(new.epoch)
    .bind(new.address.as_str())
    .bind(new.user_agent.as_str())
    .bind(new.id_token.clone())
    .bind(new.created_at.0)
    .bind(new.expires_at.0)
    .execute()
    .await?;
    Ok(())
}

/// The session of this cookie, if it has not ended.
pub async fn find(conn: &mut Conn, hash: &[u8], now: Timestamp) -> Result<Option<Session>> {
    let row: Option<Row> = conn
        .query(SELECT)
        .push(" WHERE hash = $1 AND expires_at > $2")
        .bind(hash)
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.map(session))
}

/// The sessions of a principal that have not ended, the newest first.
pub async fn of_principal(
    conn: &mut Conn,
    principal: PrincipalId,
    now: Timestamp,
) -> Result<Vec<Session>> {
    let rows: Vec<Row> = conn
        .query(SELECT)
        .push(" WHERE principal_id = $1 AND expires_at > $2 ORDER BY created_at DESC")
        .bind(principal.0)
        .bind(now.0)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(session).collect())
}

/// Moves the end of a session.
pub async fn extend(tx: &mut Tx, hash: &[u8], expires_at: Timestamp) -> Result<()> {
    tx.query("UPDATE session SET expires_at = $1 WHERE hash = $2")
        .bind(expires_at.0)
        .bind(hash)
        .execute()
        .await?;
    Ok(())
}

/// Ends a session; false when there was none.
pub async fn remove(tx: &mut Tx, hash: &[u8]) -> Result<bool> {
    Ok(tx.query("DELETE FROM session WHERE hash = $1").bind(hash).execute().await? == 1)
}

/// Ends every session that a person began at their OpenID provider.
pub async fn remove_of_provider(tx: &mut Tx, principal: PrincipalId) -> Result<()> {
    tx.query("DELETE FROM session WHERE principal_id = $1 AND id_token IS NOT NULL")
        .bind(principal.0)
        .execute()
        .await?;
    Ok(())
}

/// Removes what has ended; returns how many.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.query("DELETE FROM session WHERE expires_at <= $1").bind(now.0).execute().await
}

/// Every token of a provider that is kept sealed: (the cookie's hash, whose it is, the token).
pub async fn sealed(conn: &mut Conn) -> Result<Vec<(Vec<u8>, PrincipalId, Vec<u8>)>> {
    let rows: Vec<(Vec<u8>, i64, Vec<u8>)> = conn
        .query("SELECT hash, principal_id, id_token FROM session WHERE id_token IS NOT NULL")
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(hash, id, token)| (hash, PrincipalId(id), token)).collect())
}

/// Keeps a token that was sealed anew.
pub async fn reseal(tx: &mut Tx, hash: &[u8], token: &[u8]) -> Result<()> {
    tx.query("UPDATE session SET id_token = $1 WHERE hash = $2")
        .bind(token)
        .bind(hash)
        .execute()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
