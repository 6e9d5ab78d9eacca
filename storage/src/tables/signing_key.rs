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
}

/// All keys of a purpose, the newest first.
pub async fn list(conn: &mut Conn, purpose: &str) -> Result<Vec<SealedKey>> {
    let rows: Vec<(String, Vec<u8>)> = conn
        .query("SELECT id, sealed FROM signing_key WHERE purpose = $1 ORDER BY created_at DESC, id")
        .bind(purpose)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|(id, sealed)| SealedKey { id, sealed }).collect())
}

/// Adds a key.
pub async fn insert(tx: &mut Tx, purpose: &str, key: &SealedKey, now: Timestamp) -> Result<()> {
    tx.query("INSERT INTO signing_key (id, purpose, sealed, created_at) VALUES ($1, $2, $3, $4)")
        .bind(key.id.as_str())
        .bind(purpose)
        .bind(key.sealed.as_slice())
        .bind(now.0)
        .execute()
        .await?;
    Ok(())
}
