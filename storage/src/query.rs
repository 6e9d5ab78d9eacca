//! One query surface over PostgreSQL and SQLite.
//!
//! Statements are written once, in the SQL that both engines accept, with `$1` placeholders.
//! [`Query`] encodes each argument for whichever engine the connection belongs to, so callers
//! never name a driver.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::BoxStream;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow};
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

static STATEMENTS: AtomicU64 = AtomicU64::new(0);

/// How many statements this process has run, without those that begin and end transactions.
pub fn statements() -> u64 {
    STATEMENTS.load(Ordering::Relaxed)
}

/// Counts the statements of a batch.
pub(crate) fn count_statements(more: u64) {
    STATEMENTS.fetch_add(more, Ordering::Relaxed);
}

/// A statement and its arguments.
#[must_use]
pub struct Query<'c> {
    sql: Cow<'static, str>,
    bound: Bound<'c>,
    patience: Option<Duration>,
    failure: Option<sqlx::Error>,
}

impl<'c> Query<'c> {
    pub(crate) fn new(sql: &'static str, bound: Bound<'c>, patience: Option<Duration>) -> Self {
        Self { sql: Cow::Borrowed(sql), bound, patience, failure: None }
    }

    /// A statement over names that the database itself gave; it may take its time.
    pub(crate) fn of_catalogue(sql: String, bound: Bound<'c>) -> Self {
        Self { sql: Cow::Owned(sql), bound, patience: None, failure: None }
    }

    /// Binds the next `$n`. In texts U+FFFD stands for U+0000, which PostgreSQL keeps nowhere and
    /// finds nothing with.
    pub fn bind(self, value: impl Value) -> Self {
        match without_nul(&value) {
            Some(text) => self.add(text),
            None => self.add(value),
        }
    }

    fn add(mut self, value: impl Value) -> Self {
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

    /// Appends `((a = $1 AND b = $2) OR ...)`, for which SQLite uses the key (a, b); it scans the
    /// table for `(a, b) IN (VALUES ...)`.
    pub fn push_pairs(
        mut self,
        [one, other]: [&'static str; 2],
        pairs: impl IntoIterator<Item = (i64, i64)>,
    ) -> Self {
        let mut separator = "(";
        for (left, right) in pairs {
            self = self.push(separator).push("(").push(one).push(" = ").push_bind(left);
            self = self.push(" AND ").push(other).push(" = ").push_bind(right).push(")");
            separator = " OR ";
        }
        self.push(if separator == "(" { "(1 = 0)" } else { ")" })
    }

    // The driver's futures are large, and each caller would carry them; hence the boxes.

    /// Runs the statement and returns all rows.
    pub async fn fetch_all<T: Record>(self) -> Result<Vec<T>> {
        let patience = self.patience;
        let (sql, bound) = self.finish()?;
        Ok(match bound {
            Bound::Postgres(conn, arguments) => {
                in_time(patience, Box::pin(sqlx::query_as_with(sql, arguments).fetch_all(conn)))
                    .await?
            }
            Bound::Sqlite(conn, arguments) => {
                Box::pin(sqlx::query_as_with(sql, arguments).fetch_all(conn)).await?
            }
        })
    }

    /// Runs the statement and returns its rows one after the other, however many there are.
    pub(crate) fn stream<T: Record + 'c>(self) -> Result<BoxStream<'c, sqlx::Result<T>>> {
        let (sql, bound) = self.finish()?;
        Ok(match bound {
            Bound::Postgres(conn, arguments) => sqlx::query_as_with(sql, arguments).fetch(conn),
            Bound::Sqlite(conn, arguments) => sqlx::query_as_with(sql, arguments).fetch(conn),
        })
    }

    /// Runs the statement and returns its first row.
    pub async fn fetch_optional<T: Record>(self) -> Result<Option<T>> {
        let patience = self.patience;
        let (sql, bound) = self.finish()?;
        Ok(match bound {
            Bound::Postgres(conn, arguments) => {
                in_time(
                    patience,
                    Box::pin(sqlx::query_as_with(sql, arguments).fetch_optional(conn)),
                )
                .await?
            }
            Bound::Sqlite(conn, arguments) => {
                Box::pin(sqlx::query_as_with(sql, arguments).fetch_optional(conn)).await?
            }
        })
    }

    /// Runs a statement that always answers with one row.
    pub async fn fetch_one<T: Record>(self) -> Result<T> {
        self.fetch_optional().await?.ok_or(Error::Database(sqlx::Error::RowNotFound))
    }

    /// Runs the statement and returns how many rows it changed.
    pub async fn execute(self) -> Result<u64> {
        let patience = self.patience;
        let (sql, bound) = self.finish()?;
        Ok(match bound {
            Bound::Postgres(conn, arguments) => {
                let done = Box::pin(sqlx::query_with(sql, arguments).execute(conn));
                in_time(patience, done).await?.rows_affected()
            }
            Bound::Sqlite(conn, arguments) => {
                Box::pin(sqlx::query_with(sql, arguments).execute(conn)).await?.rows_affected()
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
        STATEMENTS.fetch_add(1, Ordering::Relaxed);
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

/// Waits for an answer as long as one may take. A server that is gone without a word, with its
/// machine or behind a broken network, would be waited for until the system gives up, hours later.
pub(crate) async fn in_time<T>(
    patience: Option<Duration>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T> {
    let Some(patience) = patience else {
        return Ok(work.await?);
    };
    if let Ok(done) = tokio::time::timeout(patience, work).await {
        return Ok(done?);
    }
    let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
    Err(Error::Database(sqlx::Error::Io(late)))
}

/// What has the same place among names as a text with U+0000, which no name has.
pub(crate) fn before_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

/// The text with another character for each U+0000; None for what is no such text.
fn without_nul<T: Value>(value: &T) -> Option<String> {
    if <T as Type<Postgres>>::type_info() != <str as Type<Postgres>>::type_info() {
        return None;
    }
    let mut encoded = PgArgumentBuffer::default();
    let _null = Encode::<Postgres>::encode_by_ref(value, &mut encoded).ok()?;
    let text = std::str::from_utf8(&encoded).ok()?;
    text.contains('\0').then(|| text.replace('\0', "\u{FFFD}"))
}

fn highest_placeholder(sql: &str) -> usize {
    let number = |rest: &str| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    };
    sql.split('$').skip(1).filter_map(number).max().unwrap_or(0)
}
