//! Single values.

use crate::{Conn, Result, Tx};

/// The value of a setting.
pub async fn get(conn: &mut Conn, name: &str) -> Result<Option<String>> {
    let row: Option<(String,)> =
        conn.query("SELECT value FROM setting WHERE name = $1").bind(name).fetch_optional().await?;
    Ok(row.map(|(value,)| value))
}

/// Sets a setting that has no value yet, and returns the value it has afterwards.
pub async fn get_or_set(tx: &mut Tx, name: &str, value: &str) -> Result<String> {
    tx.query("INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute()
        .await?;
    Ok(get(tx, name).await?.unwrap_or_default())
}
