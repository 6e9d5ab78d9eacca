//! Keys that sign tokens. They are sealed before they come here.

use roadstead_model::Timestamp;

use crate::{Conn, Result, Tx};

/// A key as it is stored.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// The key's id, as tokens name it.
    pub id: String,
    /// The private key, encrypted.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All keys of a purpose, the newest first.
pub async fn list(conn: &mut Conn, purpose: &str) -> Result<Vec<SealedKey>> {
    let rows: Vec<(String, Vec<u8>, i64)> = conn
        .query(
            "SELECT id, sealed, created_at FROM signing_key WHERE purpose = $1
             ORDER BY created_at DESC, id",
        )
        .bind(purpose)
        .fetch_all()
        .await?;
    let key = |(id, sealed, at): (String, Vec<u8>, i64)| SealedKey {
        id,
        sealed,
        created_at: Timestamp(at),
    };
    Ok(rows.into_iter().map(key).collect())
}

/// Adds a key.
pub async fn insert(tx: &mut Tx, purpose: &str, key: &SealedKey) -> Result<()> {
    tx.query("INSERT INTO signing_key (id, purpose, sealed, created_at) VALUES ($1, $2, $3, $4)")
        .bind(key.id.as_str())
        .bind(purpose)
        .bind(key.sealed.as_slice())
        .bind(key.created_at.0)
        .execute()
        .await?;
    Ok(())
}

/// Removes a key.
pub async fn remove(tx: &mut Tx, id: &str) -> Result<()> {
    tx.query("DELETE FROM signing_key WHERE id = $1").bind(id).execute().await?;
    Ok(())
}

/// Keeps a key that was encrypted anew.
pub async fn reseal(tx: &mut Tx, id: &str, sealed: &[u8]) -> Result<()> {
    tx.query("UPDATE signing_key SET sealed = $1 WHERE id = $2")
        .bind(sealed)
        .bind(id)
        .execute()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
