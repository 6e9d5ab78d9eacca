//! People whom the provider vouches for and who still have to choose a name, by the hash of their
//! cookie.

use roadstead_model::Timestamp;

use crate::{Conn, Result, Tx};

/// Keeps what the provider said of a person, sealed.
pub async fn insert(tx: &mut Tx, hash: &[u8], person: &[u8], expires_at: Timestamp) -> Result<()> {
    tx.query("INSERT INTO oidc_newcomer (hash, person, expires_at) VALUES ($1, $2, $3)")
        .bind(hash)
        .bind(person)
        .bind(expires_at.0)
        .execute()
        .await?;
    Ok(())
}

/// What was kept, if it has not expired.
pub async fn find(conn: &mut Conn, hash: &[u8], now: Timestamp) -> Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> = conn
        .query("SELECT person FROM oidc_newcomer WHERE hash = $1 AND expires_at > $2")
        .bind(hash)
        .bind(now.0)
        .fetch_optional()
        .await?;
    Ok(row.map(|(person,)| person))
}

/// Forgets a person who has an account now.
pub async fn remove(tx: &mut Tx, hash: &[u8]) -> Result<()> {
    tx.query("DELETE FROM oidc_newcomer WHERE hash = $1").bind(hash).execute().await?;
    Ok(())
}

/// Removes what has expired; returns how many.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.query("DELETE FROM oidc_newcomer WHERE expires_at <= $1").bind(now.0).execute().await
}

#[cfg(test)]
mod tests;
