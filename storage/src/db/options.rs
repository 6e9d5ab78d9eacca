//! How to reach the database, and how patient to be with it.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::session::{Session, is_standby};
use crate::error::Result;

/// How long a statement waits for another process's lock on an SQLite database.
pub(crate) const SQLITE_BUSY: Duration = Duration::from_secs(5);
/// A connection is made anew after this time, so that they spread out again after a failover.
pub(super) const LIFETIME: Duration = Duration::from_mins(30);

/// Where the database is and how long to wait for it.
#[derive(Clone)]
pub struct Options {
    pub(crate) url: String,
    pub(crate) password: Option<String>,
    /// How many connections read at once; on PostgreSQL, as many write.
    pub connections: u32,
    /// How long to wait for a connection, until the caller is told that there is none.
    pub acquire_timeout: Duration,
    /// How long a statement may run; PostgreSQL ends it then.
    pub statement_timeout: Duration,
    /// How long a statement may wait for another transaction; PostgreSQL ends it then.
    pub lock_timeout: Duration,
    /// How long to wait at the start for a server that is not there yet.
    pub start_timeout: Duration,
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may carry a password.
        formatter
            .debug_struct("Options")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The database of `url` (`sqlite:<path>` or `postgres://...`), with the usual patience.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: None,
            connections: 8,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(30),
        }
    }

    /// The same with a password, which stands above one in the URL.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The same with so many connections.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres:") || self.url.starts_with("postgresql:")
    }

    pub(crate) fn sqlite(&self) -> Result<SqliteConnectOptions> {
        Ok(SqliteConnectOptions::from_str(&self.url)?
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL would lose acknowledged commits when the power fails.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(SQLITE_BUSY))
    }

    pub(crate) fn postgres(&self) -> Result<PgConnectOptions> {
        let mut options = PgConnectOptions::from_str(&self.url)?;
        self.require_files()?;
        if let Some(password) = &self.password {
            options = options.password(password);
        }
        if options.get_application_name().is_none() {
            options = options.application_name("roadstead");
        }
        // Poolers refuse what they do not know, and nothing here is a float.
        Ok(options.extra_float_digits(None))
    }

    /// Fails when a file for TLS cannot be read: seen later, that looks like a server that is not
    /// there yet.
    fn require_files(&self) -> Result<()> {
        const FILES: &[&str] = &["sslrootcert", "sslcert", "sslkey"];
        let (_, query) = self.url.split_once('?').unwrap_or_default();
        for (name, path) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            // What is written with escapes is left to be found out later.
            if FILES.contains(&name) && !path.contains(['%', '+']) {
                std::fs::File::open(path).map_err(|error| {
                    sqlx::Error::Configuration(format!("{name}: {path}: {error}").into())
                })?;
            }
        }
        Ok(())
    }

    /// Connections that read. They are made when they are needed, and tried before they are used.
    pub(crate) fn readers(&self, options: PgConnectOptions) -> PgPool {
        self.on_primary(Session::new(self, true)).connect_lazy_with(options)
    }

    /// Connections that write.
    pub(crate) fn writers(&self, options: PgConnectOptions) -> PgPool {
        self.on_primary(Session::new(self, false)).connect_lazy_with(options)
    }

    /// The one connection that listens.
    pub(crate) fn listener(&self, options: PgConnectOptions) -> PgPool {
        self.pool(1).max_lifetime(None).idle_timeout(None).connect_lazy_with(options)
    }

    /// One to a server that has become a standby is of no use any more; the next one may lead to
    /// the server that has taken its place.
    fn on_primary(&self, session: Session) -> PgPoolOptions {
        self.pool(self.connections)
            // What is asked before each use tells also whether the connection is alive.
            .test_before_acquire(false)
            .before_acquire(|conn, _| Box::pin(async move { Ok(!is_standby(conn).await?) }))
            .after_connect(move |conn, _| {
                let session = session.clone();
                Box::pin(async move { session.begin_on_primary(conn).await })
            })
    }

    fn pool(&self, connections: u32) -> PgPoolOptions {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(self.acquire_timeout)
            .max_lifetime(LIFETIME)
    }
}
