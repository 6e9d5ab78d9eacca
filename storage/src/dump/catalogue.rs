//! What the database says of its own tables.

use std::collections::{BTreeMap, BTreeSet};

use super::{Column, Kind, Table};
use crate::{Conn, Error, Result};

/// Every table of the schema; each comes behind those that it references.
pub(super) async fn tables(conn: &mut Conn) -> Result<Vec<Table>> {
    let mut waiting: BTreeMap<String, (Table, BTreeSet<String>)> = BTreeMap::new();
    for name in names(conn).await? {
        let columns = columns(conn, &name).await?;
        let mut references = references(conn, &name).await?;
        references.remove(&name);
        waiting.insert(name.clone(), (Table { name, columns }, references));
    }
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let free = |(_, (_, references)): &(&String, &(Table, BTreeSet<String>))| {
            references.iter().all(|name| ordered.iter().any(|table| &table.name == name))
        };
        let Some(name) = waiting.iter().find(free).map(|(name, _)| name.clone()) else {
            return Err(Error::inconsistent("the schema", "tables reference each other"));
        };
        ordered.extend(waiting.remove(&name).map(|(table, _)| table));
    }
    Ok(ordered)
}

async fn names(conn: &mut Conn) -> Result<Vec<String>> {
    let sql = if conn.is_postgres() {
        "SELECT CAST(table_name AS TEXT) FROM information_schema.tables
         WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
           AND table_name <> '_sqlx_migrations'"
    } else {
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
           AND name <> '_sqlx_migrations'"
    };
    let rows: Vec<(String,)> = conn.query(sql).fetch_all().await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

async fn columns(conn: &mut Conn, table: &str) -> Result<Vec<Column>> {
    let sql = if conn.is_postgres() {
        "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
    } else {
        "SELECT name, type FROM pragma_table_info($1) ORDER BY cid"
    };
    let rows: Vec<(String, String)> = conn.query(sql).bind(table).fetch_all().await?;
    rows.into_iter()
        .map(|(name, kind)| {
            let kind = match kind.to_lowercase().as_str() {
                "integer" | "bigint" => Kind::Integer,
                "text" => Kind::Text,
                "blob" | "bytea" => Kind::Bytes,
                "boolean" => Kind::Boolean,
                other => {
                    return Err(Error::inconsistent("the schema", format!("{table}: {other}")));
                }
            };
            Ok(Column { name, kind })
        })
        .collect()
}

async fn references(conn: &mut Conn, table: &str) -> Result<BTreeSet<String>> {
    let sql = if conn.is_postgres() {
        "SELECT CAST(target.relname AS TEXT) FROM pg_constraint c
         JOIN pg_class source ON source.oid = c.conrelid
         JOIN pg_class target ON target.oid = c.confrelid
         JOIN pg_namespace n ON n.oid = source.relnamespace
         WHERE c.contype = 'f' AND n.nspname = current_schema() AND source.relname = $1"
    } else {
        "SELECT \"table\" FROM pragma_foreign_key_list($1)"
    };
    let rows: Vec<(String,)> = conn.query(sql).bind(table).fetch_all().await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

pub(super) async fn sequences(conn: &mut Conn) -> Result<BTreeMap<String, i64>> {
    if !conn.is_postgres() {
        let rows = conn.query("SELECT name, seq FROM sqlite_sequence").fetch_all().await?;
        return Ok(rows.into_iter().collect());
    }
    let mut last = BTreeMap::new();
    for table in names(conn).await? {
        if let Some(sequence) = sequence_of(conn, &table).await? {
            let sql =
                format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}");
            let (value,) = conn.catalogue_query(sql).fetch_one::<(i64,)>().await?;
            last.insert(table, value);
        }
    }
    Ok(last)
}

/// The sequence that gives a table's ids out, quoted.
pub(super) async fn sequence_of(conn: &mut Conn, table: &str) -> Result<Option<String>> {
    let (sequence,): (Option<String>,) = conn
        .query(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM information_schema.columns
                         WHERE table_schema = current_schema() AND table_name = $1
                           AND column_name = 'id')
                    THEN pg_get_serial_sequence(quote_ident($1), 'id') END",
        )
        .bind(table)
        .fetch_one()
        .await?;
    Ok(sequence)
}
