//! The database: a pool of readers that cannot write, and a way to write in transactions.

use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::error::{Error, Result};
use crate::migrate;
use crate::query::{Bound, Query};
use crate::writer::{Writer, WriterTx};

/// How long a statement waits for another process's lock on an SQLite database.
const SQLITE_BUSY: Duration = Duration::from_secs(5);

/// The database, as pools of connections. Readers cannot write, on either engine.
#[derive(Clone)]
pub struct Db(Engine);

#[derive(Clone)]
enum Engine {
    Postgres {
        reader: PgPool,
        writer: PgPool,
    },
    /// SQLite allows one writer; its transactions are committed in groups.
    Sqlite {
        reader: SqlitePool,
        writer: Arc<Writer>,
    },
}

impl Db {
    /// Opens the database named by `url` (`sqlite:<path>` or `postgres://...`) and brings its
    /// schema up to date.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] when a newer program wrote it.
    pub async fn open(url: &str, max_connections: u32) -> Result<Self> {
        if url.starts_with("postgres") {
            Self::open_postgres(url, max_connections).await
        } else {
            Self::open_sqlite(url, max_connections).await
        }
    }

    async fn open_postgres(url: &str, max_connections: u32) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let pool = || PgPoolOptions::new().max_connections(max_connections);
        let writer = pool().connect_with(options.clone()).await?;
        migrate::postgres(&writer).await?;
        let read_only = options.options([("default_transaction_read_only", "on")]);
        let reader = pool().connect_with(read_only).await?;
        Ok(Self(Engine::Postgres { reader, writer }))
    }

    async fn open_sqlite(url: &str, max_connections: u32) -> Result<Self> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL would lose acknowledged commits when the power fails.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(SQLITE_BUSY);
        let migration =
            SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        migrate::sqlite(&migration).await?;
        migration.close().await;
        let writer = Writer::open(options.clone()).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(max_connections)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self(Engine::Sqlite { reader, writer }))
    }

    /// Opens an SQLite database that a server may be using, for reading only and as it is.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] when a newer program wrote it; [`Error::Database`] when it does not
    /// exist.
    pub async fn inspect(url: &str) -> Result<Self> {
        if url.starts_with("postgres") {
            return Self::open_postgres(url, 2).await;
        }
        let options = SqliteConnectOptions::from_str(url)?.busy_timeout(SQLITE_BUSY);
        let writer = Writer::open(options.clone()).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(options.read_only(true))
            .await?;
        migrate::check_sqlite(&reader).await?;
        Ok(Self(Engine::Sqlite { reader, writer }))
    }

    /// A connection for reads that need no transaction.
    pub async fn read(&self) -> Result<Conn> {
        Ok(Conn(match &self.0 {
            Engine::Postgres { reader, .. } => Inner::Postgres(reader.acquire().await?),
            Engine::Sqlite { reader, .. } => Inner::Sqlite(reader.acquire().await?),
        }))
    }

    /// Starts a transaction for reading whose statements all see the same state.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(Tx(Conn(match &self.0 {
            Engine::Postgres { reader, .. } => Inner::PostgresTx(
                reader.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
            ),
            Engine::Sqlite { reader, .. } => Inner::SqliteSnapshot(reader.begin().await?),
        })))
    }

    /// Starts a read-write transaction; dropping it without commit rolls it back.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(Tx(Conn(match &self.0 {
            Engine::Postgres { writer, .. } => Inner::PostgresTx(writer.begin().await?),
            Engine::Sqlite { writer, .. } => Inner::SqliteTx(writer.clone().begin().await?),
        })))
    }
}

enum Inner {
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
    Sqlite(PoolConnection<Sqlite>),
    SqliteSnapshot(Transaction<'static, Sqlite>),
    SqliteTx(WriterTx),
}

/// A connection that statements run on.
pub struct Conn(Inner);

/// A transaction. Anything that takes a [`Conn`] also takes a `Tx`.
pub struct Tx(Conn);

impl Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

impl Tx {
    /// Makes the transaction durable. When this fails the outcome is unknown to the caller, who
    /// must leave every object alone: the rows tell the truth later.
    pub async fn commit(self) -> Result<()> {
        match self.0.0 {
            Inner::PostgresTx(tx) => Ok(tx.commit().await?),
            Inner::SqliteSnapshot(tx) => Ok(tx.commit().await?),
            Inner::SqliteTx(tx) => tx.commit().await,
            Inner::Postgres(_) | Inner::Sqlite(_) => Ok(()),
        }
    }
}

impl Conn {
    /// Starts a statement.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        let bound = match &mut self.0 {
            Inner::Postgres(conn) => Bound::Postgres(conn, PgArguments::default()),
            Inner::PostgresTx(tx) => Bound::Postgres(tx, PgArguments::default()),
            Inner::Sqlite(conn) => Bound::Sqlite(conn, SqliteArguments::default()),
            Inner::SqliteSnapshot(tx) => Bound::Sqlite(tx, SqliteArguments::default()),
            Inner::SqliteTx(tx) => Bound::Sqlite(tx, SqliteArguments::default()),
        };
        Query::new(sql, bound)
    }

    /// Starts a statement that reads rows which must not go away before the transaction ends:
    /// on PostgreSQL the text gets `FOR KEY SHARE OF <table>`; SQLite has one writer.
    pub fn query_holding(&mut self, sql: &'static str, table: &'static str) -> Query<'_> {
        let postgres = self.is_postgres();
        let query = self.query(sql);
        if postgres { query.push(" FOR KEY SHARE OF ").push(table) } else { query }
    }

    /// Keeps a row from being changed before the transaction ends; SQLite has one writer.
    pub(crate) async fn share(&mut self, postgres_only: &'static str, id: i64) -> Result<()> {
        if self.is_postgres() {
            self.query(postgres_only).bind(id).fetch_optional::<(i64,)>().await?;
        }
        Ok(())
    }

    fn is_postgres(&self) -> bool {
        matches!(self.0, Inner::Postgres(_) | Inner::PostgresTx(_))
    }

    /// The engine's own check of its files; each line is a fault. PostgreSQL has none to ask.
    pub async fn integrity_faults(&mut self) -> Result<Vec<String>> {
        if self.is_postgres() {
            return Ok(Vec::new());
        }
        let mut faults: Vec<String> = self
            .query("PRAGMA integrity_check")
            .fetch_all::<(String,)>()
            .await?
            .into_iter()
            .map(|(line,)| line)
            .filter(|line| line != "ok")
            .collect();
        let orphans: Vec<(String, Option<i64>)> =
            self.query("SELECT \"table\", rowid FROM pragma_foreign_key_check").fetch_all().await?;
        faults.extend(orphans.into_iter().map(|(table, row)| {
            format!("row {} of {table} references nothing", row.unwrap_or_default())
        }));
        Ok(faults)
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::VersionMissing(found) => {
                Self::NewerSchema { found, known: migrate::newest() }
            }
            other => Self::Database(other.into()),
        }
    }
}
