//! Rows from a dump into an empty database.

use std::collections::BTreeMap;

use roadstead_model::Timestamp;
use serde_json::Value;

use super::{Kind, LEFT_OUT, Table, catalogue};
use crate::{Conn, Error, Query, Result, Tx};

/// How many rows, and about how many bytes, one statement brings.
const ROWS: usize = 100;
const BYTES: usize = 1 << 20;

/// Whether a database holds nothing that anybody would miss.
pub async fn is_empty(conn: &mut Conn) -> Result<bool> {
    let (rows,) = conn
        .query(
            "SELECT (SELECT COUNT(*) FROM principal) + (SELECT COUNT(*) FROM blob)
                    + (SELECT COUNT(*) FROM audit_log)",
        )
        .fetch_one::<(i64,)>()
        .await?;
    Ok(rows == 0)
}

/// Fills the tables of a database, in one transaction.
pub struct Loader<'t> {
    tx: &'t mut Tx,
    tables: Vec<Table>,
}

impl<'t> Loader<'t> {
    /// Empties the tables: a fresh database has the roles already.
    pub async fn new(tx: &'t mut Tx) -> Result<Self> {
        let tables = catalogue::tables(tx).await?;
        for table in tables.iter().rev() {
            let sql = format!("DELETE FROM \"{}\"", table.name);
            tx.catalogue_query(sql).execute().await?;
        }
        Ok(Self { tx, tables })
    }

    /// The tables in the order in which they are to be filled.
    pub fn order(&self) -> Vec<String> {
        let names = self.tables.iter().map(|table| table.name.clone());
        names.filter(|name| !LEFT_OUT.contains(&name.as_str())).collect()
    }

    /// Adds rows to a table of the dump.
    pub async fn fill(
        &mut self,
        dumped: &Table,
        lines: impl Iterator<Item = std::io::Result<String>>,
    ) -> Result<u64> {
        let unlike =
            |what: &str| Error::inconsistent("the dump", format!("{}: {what}", dumped.name));
        let here = self.tables.iter().find(|table| table.name == dumped.name);
        let here = here.ok_or_else(|| unlike("there is no such table"))?;
        // The kinds are those of this engine, by the names of the columns.
        let kinds: Option<Vec<Kind>> = dumped
            .columns
            .iter()
            .map(|c| here.columns.iter().find(|h| h.name == c.name).map(|h| h.kind))
            .collect();
        let kinds = kinds.ok_or_else(|| unlike("there is no such column"))?;
        let (mut batch, mut bytes, mut count) = (Vec::new(), 0, 0);
        for line in lines {
            let line = line.map_err(Error::io("read the dump"))?;
            let row: Vec<Value> =
                serde_json::from_str(&line).map_err(|_| unlike("a line is no array"))?;
            if row.len() != kinds.len() {
                return Err(unlike("a line has too many values, or too few"));
            }
            count += 1;
            bytes += line.len();
            batch.push(row);
            if batch.len() >= ROWS || bytes >= BYTES {
                insert(self.tx, dumped, &kinds, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        insert(self.tx, dumped, &kinds, batch).await?;
        Ok(count)
    }

    /// Lets ids go on behind the last that was given out.
    pub async fn set_sequences(&mut self, sequences: &BTreeMap<String, i64>) -> Result<()> {
        for (table, last) in sequences.iter().filter(|(_, last)| **last > 0) {
            if !self.tx.is_postgres() {
                let known = self
                    .tx
                    .query("UPDATE sqlite_sequence SET seq = $1 WHERE name = $2 AND seq < $1")
                    .bind(*last)
                    .bind(table.as_str());
                if known.execute().await? == 0 {
                    self.tx
                        .query(
                            "INSERT INTO sqlite_sequence (name, seq) SELECT $1, $2
                             WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = $1)",
                        )
                        .bind(table.as_str())
                        .bind(*last)
                        .execute()
                        .await?;
                }
            } else if let Some(sequence) = catalogue::sequence_of(self.tx, table).await? {
                let set = self.tx.query("SELECT setval(CAST($1 AS regclass), $2)");
                set.bind(sequence).bind(*last).fetch_one::<(i64,)>().await?;
            }
        }
        Ok(())
    }
}

async fn insert(tx: &mut Tx, table: &Table, kinds: &[Kind], rows: Vec<Vec<Value>>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = table.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
    let given = if tx.is_postgres() { " OVERRIDING SYSTEM VALUE" } else { "" };
    let mut next = 0;
    let values: Vec<String> = rows
        .iter()
        .map(|row| {
            let places = row.iter().map(|_| {
                next += 1;
                format!("${next}")
            });
            format!("({})", places.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let (names, values) = (names.join(", "), values.join(", "));
    let sql = format!("INSERT INTO \"{}\" ({names}){given} VALUES {values}", table.name);
    let mut query = tx.catalogue_query(sql);
    for row in rows {
        for (value, kind) in row.into_iter().zip(kinds) {
            query = bind(query, value, *kind).ok_or_else(|| {
                Error::inconsistent("the dump", format!("{}: a value", table.name))
            })?;
        }
    }
    query.execute().await?;
    Ok(())
}

fn bind(query: Query<'_>, value: Value, kind: Kind) -> Option<Query<'_>> {
    Some(match (kind, value) {
        (Kind::Integer, Value::Null) => query.bind(None::<i64>),
        (Kind::Integer, Value::Bool(truth)) => query.bind(i64::from(truth)),
        (Kind::Integer, value) => query.bind(value.as_i64()?),
        (Kind::Boolean, Value::Null) => query.bind(None::<bool>),
        (Kind::Boolean, Value::Bool(truth)) => query.bind(truth),
        (Kind::Boolean, value) => query.bind(value.as_i64()? != 0),
        (Kind::Text, Value::Null) => query.bind(None::<String>),
        (Kind::Text, Value::String(text)) => query.bind(text),
        (Kind::Bytes, Value::Null) => query.bind(None::<Vec<u8>>),
        (Kind::Bytes, Value::String(hex)) => query.bind(from_hex(&hex)?),
        _ => return None,
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Makes a loaded database another one than that which was dumped: nothing that was issued before
/// is good any more, no session goes on, no object of another history is deleted, and what is
/// served is verified first.
pub async fn start_anew(tx: &mut Tx, db_epoch: &str, now: Timestamp) -> Result<()> {
    for statement in [
        "DELETE FROM signing_key",
        "DELETE FROM setting WHERE name LIKE 'lease.%'",
        "UPDATE upload SET expires_at = 0",
        "UPDATE blob SET verified_at = 0",
    ] {
        tx.query(statement).execute().await?;
    }
    // Beyond every epoch that was given out after the dump was made.
    tx.query("UPDATE principal SET epoch = CASE WHEN epoch < $1 THEN $1 ELSE epoch + 1 END")
        .bind(now.0)
        .execute()
        .await?;
    crate::tables::setting::set(tx, "db_epoch", db_epoch).await
}
