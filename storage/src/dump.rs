//! All rows as lines of JSON, in a form that belongs to neither engine, and back.
//!
//! One line is one row: an array with a value for each column; bytes are in hexadecimal. What a
//! dump has is one state of the database. What is loaded must be of the same schema.

mod catalogue;
mod load;

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use crate::{Conn, Result};

/// Logins that a restored database must not know, and who works on this one: they are not dumped.
const LEFT_OUT: &[&str] = &["session", "refresh_token", "oidc_newcomer", "worker_pool"];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A number.
    Integer,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// True or false; SQLite has a number for it.
    Boolean,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of the values of a line.
    pub columns: Vec<Column>,
}

/// The newest migration that a database has.
pub async fn schema(conn: &mut Conn) -> Result<i64> {
    let (version,) = conn
        .query("SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM _sqlx_migrations")
        .fetch_one::<(i64,)>()
        .await?;
    Ok(version)
}

/// Every table that belongs into a dump; each comes behind those that it references.
pub async fn tables(conn: &mut Conn) -> Result<Vec<Table>> {
    let mut tables = catalogue::tables(conn).await?;
    tables.retain(|table| !LEFT_OUT.contains(&table.name.as_str()));
    Ok(tables)
}

/// The last id that each table gave out: ids are never given out twice, in a restored database
/// either.
pub async fn sequences(conn: &mut Conn) -> Result<BTreeMap<String, i64>> {
    catalogue::sequences(conn).await
}

/// Hands the rows of a table to `write`, a line each; returns how many those were.
pub async fn rows<E: From<crate::Error>>(
    conn: &mut Conn,
    table: &Table,
    mut write: impl FnMut(&str) -> Result<(), E>,
) -> Result<u64, E> {
    let sql = select(table, conn.is_postgres());
    let rows = conn.catalogue_query(sql).stream::<(String,)>()?;
    let mut rows = rows.map_err(crate::Error::from).boxed();
    let mut count = 0;
    while let Some((line,)) = rows.try_next().await? {
        write(&line)?;
        count += 1;
    }
    Ok(count)
}

fn select(table: &Table, postgres: bool) -> String {
    let value = |column: &Column| {
        let name = &column.name;
        match (column.kind, postgres) {
            (Kind::Bytes, true) => format!("encode(\"{name}\", 'hex')"),
            (Kind::Bytes, false) => {
                format!("CASE WHEN \"{name}\" IS NULL THEN NULL ELSE hex(\"{name}\") END")
            }
            _ => format!("\"{name}\""),
        }
    };
    let values: Vec<String> = table.columns.iter().map(value).collect();
    let (values, name) = (values.join(", "), &table.name);
    if postgres {
        format!("SELECT CAST(json_build_array({values}) AS TEXT) FROM \"{name}\"")
    } else {
        format!("SELECT json_array({values}) FROM \"{name}\"")
    }
}

pub use load::{Loader, is_empty, start_anew};
