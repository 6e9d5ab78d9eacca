//! One query surface over PostgreSQL and SQLite.
//!
//! Statements are written once, in the SQL that both engines accept, with `$1` placeholders.
//! [`Query`] encodes each argument for whichever engine the connection belongs to, so callers
//! never name a driver.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{
    Arguments, AssertSqlSafe, Encode, FromRow, PgConnection, Postgres, SqlSafeStr, SqlStr, Sqlite,
    SqliteConnection, Type,
};

use crate::error::{Error, Result};

/// A value that can be bound on either engine.
pub trait Value:
    for<'q> Encode<'q, Postgres> + Type<Postgres> + for<'q> Encode<'q, Sqlite> + Type<Sqlite>
{
}
impl<T> Value for T where
    T: for<'q> Encode<'q, Postgres> + Type<Postgres> + for<'q> Encode<'q, Sqlite> + Type<Sqlite>
{
}

/// A row type that can be read back from either engine; tuples of columns are.
pub trait Record:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}
impl<T> Record for T where
    T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}

pub(crate) enum Bound<'c> {
    Postgres(&'c mut PgConnection, PgArguments),
    Sqlite(&'c mut SqliteConnection, SqliteArguments),
}

/// A statement and its arguments.
#[must_use]
pub struct Query<'c> {
    sql: Cow<'static, str>,
    bound: Bound<'c>,
    failure: Option<sqlx::Error>,
}

impl<'c> Query<'c> {
    pub(crate) fn new(sql: &'static str, bound: Bound<'c>) -> Self {
        Self { sql: Cow::Borrowed(sql), bound, failure: None }
    }

    /// Binds the next `$n`.
    pub fn bind(mut self, value: impl Value) -> Self {
        let added = match &mut self.bound {
            Bound::Postgres(_, arguments) => arguments.add(value),
            Bound::Sqlite(_, arguments) => arguments.add(value),
        };
        if let Err(error) = added {
            self.failure.get_or_insert(sqlx::Error::Encode(error));
        }
        self
    }

    /// Appends literal SQL.
    pub fn push(mut self, sql: &'static str) -> Self {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// Appends a placeholder and binds it.
    pub fn push_bind(mut self, value: impl Value) -> Self {
        let next = self.bound_len() + 1;
        self.sql.to_mut().push_str(&format!("${next}"));
        self.bind(value)
    }

    /// Appends a parenthesised list, for `IN`.
    pub fn push_list<V: Value>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.sql.to_mut().push('(');
        let mut separator = "";
        for value in values {
            self = self.push(separator).push_bind(value);
            separator = ", ";
        }
        self.push(if separator.is_empty() { "NULL)" } else { ")" })
    }

    /// Runs the statement and returns all rows.
    pub async fn fetch_all<T: Record>(self) -> Result<Vec<T>> {
        let (sql, bound) = self.finish()?;
        Ok(match bound {
            Bound::Postgres(conn, arguments) => {
                sqlx::query_as_with(sql, arguments).fetch_all(conn).await?
            }
            Bound::Sqlite(conn, arguments) => {
                sqlx::query_as_with(sql, arguments).fetch_all(conn).await?
            }
        })
    }

    /// Runs the statement and returns its first row.
    pub async fn fetch_optional<T: Record>(self) -> Result<Option<T>> {
        let (sql, bound) = self.finish()?;
        Ok(match bound {
            Bound::Postgres(conn, arguments) => {
                sqlx::query_as_with(sql, arguments).fetch_optional(conn).await?
            }
            Bound::Sqlite(conn, arguments) => {
                sqlx::query_as_with(sql, arguments).fetch_optional(conn).await?
            }
        })
    }

    /// Runs a statement that always answers with one row.
    pub async fn fetch_one<T: Record>(self) -> Result<T> {
        self.fetch_optional().await?.ok_or(Error::Database(sqlx::Error::RowNotFound))
    }

    /// Runs the statement and returns how many rows it changed.
    pub async fn execute(self) -> Result<u64> {
        let (sql, bound) = self.finish()?;
        Ok(match bound {
            Bound::Postgres(conn, arguments) => {
                sqlx::query_with(sql, arguments).execute(conn).await?.rows_affected()
            }
            Bound::Sqlite(conn, arguments) => {
                sqlx::query_with(sql, arguments).execute(conn).await?.rows_affected()
            }
        })
    }

    fn bound_len(&self) -> usize {
        match &self.bound {
            Bound::Postgres(_, arguments) => arguments.len(),
            Bound::Sqlite(_, arguments) => arguments.len(),
        }
    }

    /// SQLite reads an unbound placeholder as NULL, so the count is checked here.
    fn finish(self) -> Result<(SqlStr, Bound<'c>)> {
        let bound = self.bound_len();
        let wanted = highest_placeholder(&self.sql);
        if let Some(error) = self.failure {
            return Err(Error::Database(error));
        }
        if bound != wanted {
            return Err(Error::Database(sqlx::Error::Protocol(format!(
                "the statement names {wanted} placeholders but {bound} were bound"
            ))));
        }
        let sql = match self.sql {
            Cow::Borrowed(sql) => sql.into_sql_str(),
            // Grown only from literals and placeholders, by the methods above.
            Cow::Owned(sql) => AssertSqlSafe(sql).into_sql_str(),
        };
        Ok((sql, self.bound))
    }
}

fn highest_placeholder(sql: &str) -> usize {
    let number = |rest: &str| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    };
    sql.split('$').skip(1).filter_map(number).max().unwrap_or(0)
}
