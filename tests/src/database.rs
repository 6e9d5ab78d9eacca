//! The database of a server, of either engine, for what no route tells or changes.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgPool, SqlitePool};

use crate::server::Server;

/// A row that can be read from either engine; tuples of columns are.
pub trait Row: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{}

/// A connection to a server's database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

impl Server {
    /// The server's database, while the server runs or not.
    pub async fn database(&self) -> Database {
        Database::connect(&self.database_url()).await
    }
}

impl Database {
    /// Connects to the database of a URL.
    pub async fn connect(url: &str) -> Self {
        if url.starts_with("postgres") {
            let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(url);
            Self::Postgres(pool.await.expect("the server's database"))
        } else {
            Self::Sqlite(SqlitePool::connect(url).await.expect("the server's database"))
        }
    }

    /// Runs a statement, or without values several, and returns how many rows changed. What is
    /// written `x''` for no bytes is `''` on PostgreSQL.
    pub async fn execute(&self, statement: &str, values: &[&str]) -> u64 {
        let changed = match self {
            Self::Sqlite(pool) if values.is_empty() => {
                let statement = AssertSqlSafe(statement.to_owned());
                sqlx::raw_sql(statement).execute(pool).await.map(|done| done.rows_affected())
            }
            Self::Postgres(pool) if values.is_empty() => {
                let statement = AssertSqlSafe(statement.replace("x''", "''"));
                sqlx::raw_sql(statement).execute(pool).await.map(|done| done.rows_affected())
            }
            Self::Sqlite(pool) => {
                let mut query = sqlx::query(AssertSqlSafe(statement.to_owned()));
                for value in values {
                    query = query.bind((*value).to_owned());
                }
                query.execute(pool).await.map(|done| done.rows_affected())
            }
            Self::Postgres(pool) => {
                let mut query = sqlx::query(AssertSqlSafe(statement.replace("x''", "''")));
                for value in values {
                    query = query.bind((*value).to_owned());
                }
                query.execute(pool).await.map(|done| done.rows_affected())
            }
        };
        changed.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// The rows that a query finds.
    pub async fn rows<T: Row>(&self, query: &str, values: &[&str]) -> Vec<T> {
        let text = AssertSqlSafe(query.to_owned());
        let rows = match self {
            Self::Sqlite(pool) => {
                let mut query = sqlx::query_as(text);
                for value in values {
                    query = query.bind((*value).to_owned());
                }
                query.fetch_all(pool).await
            }
            Self::Postgres(pool) => {
                let mut query = sqlx::query_as(text);
                for value in values {
                    query = query.bind((*value).to_owned());
                }
                query.fetch_all(pool).await
            }
        };
        rows.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// The one row that a query finds.
    pub async fn row<T: Row>(&self, query: &str, values: &[&str]) -> T {
        let mut rows = self.rows(query, values).await;
        assert_eq!(rows.len(), 1, "{query} finds {} rows", rows.len());
        rows.remove(0)
    }

    /// The number that a query finds.
    pub async fn number(&self, query: &str) -> i64 {
        self.row::<(i64,)>(query, &[]).await.0
    }

    /// Ends the connection.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
