//! The database: a pool of readers that cannot write, and a way to write in transactions.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePoolOptions};
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
};

use crate::error::Result;
use crate::migrate;
use crate::query::{Bound, Query, in_time};
use crate::remembered::Generations;
use crate::writer::{Writer, WriterTx};

mod at_once;
mod background;
mod changes;
mod held;
mod options;
mod postgres;
mod readers;
mod session;
mod touched;
mod turn;

pub(crate) use background::Hold;
use held::Held;
use readers::{Reader, Readers};
pub(crate) use touched::Touched;

pub use background::{Background, Holds};
pub use changes::Changes;
pub use options::Options;
pub(crate) use options::SQLITE_BUSY;
pub use turn::Turn;

/// How much longer than PostgreSQL works on a statement its answer is waited for.
const MARGIN: Duration = Duration::from_secs(5);

/// The database, as pools of connections. Readers cannot write, on either engine.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    generations: Generations,
}

#[derive(Clone)]
enum Engine {
    Postgres {
        reader: PgPool,
        writer: PgPool,
        changes: Changes,
        /// How long an answer may take, whatever becomes of the server.
        patience: Duration,
    },
    /// SQLite allows one writer; its transactions are committed in groups.
    Sqlite { reader: Arc<Readers>, snapshots: SqlitePool, writer: Arc<Writer> },
}

impl Db {
    /// Opens the database named by `url` with the usual patience, as [`Db::connect`] does.
    pub async fn open(url: &str, max_connections: u32) -> Result<Self> {
        Self::connect(&Options::new(url).connections(max_connections)).await
    }

    /// Opens a database and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error::NewerSchema`](crate::Error::NewerSchema) when a newer program wrote it.
    pub async fn connect(options: &Options) -> Result<Self> {
        if options.is_postgres() {
            let mut conn = postgres::first_connection(options).await?;
            migrate::postgres(&mut conn).await?;
            conn.close().await?;
            return Self::on_postgres(options);
        }
        let created = options.sqlite()?.create_if_missing(true);
        let mut conn = created.connect().await?;
        migrate::sqlite(&mut conn).await?;
        Self::on_sqlite(options, conn).await
    }

    /// Opens a database that a server may be using, as it is.
    ///
    /// # Errors
    /// [`Error::NewerSchema`](crate::Error::NewerSchema) when a newer program wrote it;
    /// [`Error::Database`](crate::Error::Database) when it does not exist.
    pub async fn inspect(options: &Options) -> Result<Self> {
        let db = if options.is_postgres() {
            postgres::first_connection(options).await?.close().await?;
            Self::on_postgres(options)?
        } else {
            Self::on_sqlite(options, options.sqlite()?.connect().await?).await?
        };
        let mut conn = db.read().await?;
        let (found,) = conn
            .query("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations")
            .fetch_one::<(i64,)>()
            .await?;
        migrate::check(found)?;
        drop(conn);
        Ok(db)
    }

    fn on_postgres(options: &Options) -> Result<Self> {
        let connection = options.postgres()?;
        let writer = options.writers(connection.clone());
        let generations = Generations::default();
        let listener = options.listener(connection.clone());
        let changes = Changes::listen(listener, generations.clone());
        let reader = options.readers(connection);
        let patience = options.statement_timeout.saturating_add(MARGIN);
        Ok(Self { engine: Engine::Postgres { reader, writer, changes, patience }, generations })
    }

    /// `first` is a connection that can write.
    async fn on_sqlite(options: &Options, first: SqliteConnection) -> Result<Self> {
        let connection = options.sqlite()?;
        let generations = Generations::default();
        let writer = Writer::new(connection.clone(), first, generations.clone());
        let connection = connection.read_only(true);
        let snapshots = SqlitePoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.acquire_timeout)
            .connect_lazy_with(connection.clone());
        let reader = Readers::new(connection, options.connections, options.acquire_timeout);
        // Made now, so that a database that cannot be read is found now.
        drop(reader.acquire().await?);
        Ok(Self { engine: Engine::Sqlite { reader, snapshots, writer }, generations })
    }

    /// A connection for reads that need no transaction. A task has one connection at a time.
    pub async fn read(&self) -> Result<Conn> {
        let held = Held::claim();
        let inner = match &self.engine {
            Engine::Postgres { reader, .. } => Inner::Postgres(Box::pin(reader.acquire()).await?),
            Engine::Sqlite { reader, .. } => Inner::Sqlite(Box::pin(reader.acquire()).await?),
        };
        Ok(self.conn(inner, held))
    }

    /// Starts a transaction for reading whose statements all see the same state.
    pub async fn snapshot(&self) -> Result<Tx> {
        let held = Held::claim();
        let inner = match &self.engine {
            Engine::Postgres { reader, .. } => Inner::PostgresTx(
                self.in_time(Box::pin(
                    reader.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
                ))
                .await?,
            ),
            Engine::Sqlite { snapshots, .. } => {
                Inner::SqliteSnapshot(Box::pin(snapshots.begin()).await?)
            }
        };
        Ok(Tx(self.conn(inner, held)))
    }

    /// Starts a read-write transaction; dropping it without commit rolls it back. Whoever holds it
    /// takes no second connection, and waits for nothing but the database.
    pub async fn begin(&self) -> Result<Tx> {
        self.begin_held(Held::claim(), None).await
    }

    async fn begin_held(&self, claim: Held, mut hold: Option<Hold>) -> Result<Tx> {
        let inner = match &self.engine {
            Engine::Postgres { writer, .. } => {
                let tx = self.in_time(Box::pin(writer.begin())).await?;
                hold.iter_mut().for_each(Hold::begins);
                Inner::PostgresTx(tx)
            }
            Engine::Sqlite { writer, .. } => {
                Inner::SqliteTx(writer.clone().begin(hold.take()).await?)
            }
        };
        Ok(Tx(Conn { hold, ..self.conn(inner, claim) }))
    }

    /// To be called by whoever may take a connection, and often needs none because it remembers
    /// something: in debug builds, a task that has one already fails here every time.
    pub fn expect_none_held(&self) {
        Held::require_none();
    }

    /// Word of what other processes have changed.
    pub fn changes(&self) -> Changes {
        match &self.engine {
            Engine::Postgres { changes, .. } => changes.clone(),
            Engine::Sqlite { .. } => Changes::default(),
        }
    }

    /// Whether other servers may write to the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres { .. })
    }

    /// Until when what is read may be remembered.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    fn conn(&self, inner: Inner, held: Held) -> Conn {
        let (patience, generations) = (self.patience(), self.generations.clone());
        Conn { inner, patience, touched: Touched::default(), generations, hold: None, _held: held }
    }

    fn patience(&self) -> Option<Duration> {
        match &self.engine {
            Engine::Postgres { patience, .. } => Some(*patience),
            Engine::Sqlite { .. } => None,
        }
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = std::result::Result<T, sqlx::Error>>,
    ) -> Result<T> {
        in_time(self.patience(), work).await
    }
}

/// A commit on its way, whatever becomes of it.
struct Committing {
    touched: Touched,
    generations: Generations,
}

impl Drop for Committing {
    fn drop(&mut self) {
        self.touched.committed(&self.generations);
    }
}

enum Inner {
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
    Sqlite(Reader),
    SqliteSnapshot(Transaction<'static, Sqlite>),
    SqliteTx(WriterTx),
}

/// A connection that statements run on.
pub struct Conn {
    inner: Inner,
    patience: Option<Duration>,
    touched: Touched,
    generations: Generations,
    // Given back after the connection, as the next one is; SQLite's writer has it itself.
    hold: Option<Hold>,
    _held: Held,
}

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
    /// From here on the transaction fails where it would wait for another one's lock: for work
    /// that can be done later, so that nobody who serves a client waits for it in a circle.
    pub async fn give_way(&mut self) -> Result<()> {
        if self.is_postgres() {
            self.query("SET LOCAL lock_timeout = '20ms'").execute().await?;
        }
        Ok(())
    }

    /// Takes everything back. On PostgreSQL its locks are free then; dropping it frees them later.
    pub async fn rollback(self) -> Result<()> {
        let Conn { inner, patience, hold: _hold, _held, .. } = self.0;
        match inner {
            Inner::PostgresTx(tx) => in_time(patience, Box::pin(tx.rollback())).await,
            _ => Ok(()),
        }
    }

    /// Makes the transaction durable. When this fails the outcome is unknown to the caller, who
    /// must leave every object alone: the rows tell the truth later.
    pub async fn commit(mut self) -> Result<()> {
        self.tell().await?;
        let Conn { inner, patience, touched, generations, hold: _hold, _held } = self.0;
        match inner {
            Inner::PostgresTx(tx) => {
                let _committing = Committing { touched, generations };
                in_time(patience, Box::pin(tx.commit())).await
            }
            Inner::SqliteSnapshot(tx) => Ok(Box::pin(tx.commit()).await?),
            Inner::SqliteTx(tx) => tx.commit(touched).await,
            Inner::Postgres(_) | Inner::Sqlite(_) => Ok(()),
        }
    }
}

impl Conn {
    /// Starts a statement.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        self.touched.note(sql);
        self.query_unnoted(sql)
    }

    fn query_unnoted(&mut self, sql: &'static str) -> Query<'_> {
        let patience = self.patience;
        Query::new(sql, self.bound(), patience)
    }

    /// Starts a statement over names that the database itself gave; it may take its time.
    pub(crate) fn catalogue_query(&mut self, sql: String) -> Query<'_> {
        self.touched.note(&sql);
        Query::of_catalogue(sql, self.bound())
    }

    fn bound(&mut self) -> Bound<'_> {
        match &mut self.inner {
            Inner::Postgres(conn) => Bound::Postgres(conn, PgArguments::default()),
            Inner::PostgresTx(tx) => Bound::Postgres(tx, PgArguments::default()),
            Inner::Sqlite(conn) => Bound::Sqlite(conn, SqliteArguments::default()),
            Inner::SqliteSnapshot(tx) => Bound::Sqlite(tx, SqliteArguments::default()),
            Inner::SqliteTx(tx) => Bound::Sqlite(tx, SqliteArguments::default()),
        }
    }

    /// Starts a statement that reads rows which must not go away before the transaction ends:
    /// on PostgreSQL the text gets `FOR KEY SHARE OF <table>`; SQLite has one writer.
    pub fn query_holding(&mut self, sql: &'static str, table: &'static str) -> Query<'_> {
        let postgres = self.is_postgres();
        let query = self.query(sql);
        if postgres { query.push(" FOR KEY SHARE OF ").push(table) } else { query }
    }

    /// What a `SELECT` that takes work for its transaction ends with: rows that another worker has
    /// are left to it. SQLite has one writer.
    pub(crate) fn skip_locked(&self) -> &'static str {
        if self.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" }
    }

    /// What a `SELECT` ends with whose rows nobody else may change or refer to before the
    /// transaction ends. SQLite has one writer.
    pub(crate) fn row_lock(&self) -> &'static str {
        if self.is_postgres() { " FOR UPDATE" } else { "" }
    }

    /// Starts a statement that reads rows which nobody else changes, removes or holds before the
    /// transaction ends: on PostgreSQL the text gets `FOR UPDATE OF <table>`; SQLite has one writer.
    pub(crate) fn query_locking(&mut self, sql: &'static str, table: &'static str) -> Query<'_> {
        let postgres = self.is_postgres();
        let query = self.query(sql);
        if postgres { query.push(" FOR UPDATE OF ").push(table) } else { query }
    }

    /// Keeps a row from being changed before the transaction ends; SQLite has one writer.
    pub(crate) async fn share(&mut self, postgres_only: &'static str, id: i64) -> Result<()> {
        if self.is_postgres() {
            self.query(postgres_only).bind(id).fetch_optional::<(i64,)>().await?;
        }
        Ok(())
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_) | Inner::PostgresTx(_))
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
