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

/// Sets a setting.
pub async fn set(tx: &mut Tx, name: &str, value: &str) -> Result<()> {
    tx.query(
        "INSERT INTO setting (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute()
    .await?;
    Ok(())
}

/// Every setting whose name begins with `prefix`, with the rest of its name.
pub async fn with_prefix(conn: &mut Conn, prefix: &str) -> Result<Vec<(String, String)>> {
    let rows: Vec<(String, String)> = conn
        .query("SELECT name, value FROM setting WHERE name >= $1 ORDER BY name")
        .bind(prefix)
        .fetch_all()
        .await?;
    let rest = |(name, value): (String, String)| {
        name.strip_prefix(prefix).map(|rest| (rest.to_owned(), value))
    };
    Ok(rows.into_iter().map_while(rest).collect())
}

#[cfg(test)]
mod tests;
