//! Databases for tests, of both engines.
//!
//! A test runs once on each ([`on_both_engines`]); with `ROADSTEAD_TEST_QUICK=1` on SQLite only.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, clippy::print_stderr)]

use std::path::Path;

use tempfile::TempDir;

use crate::Db;

#[path = "../../tests/src/postgres.rs"]
#[allow(dead_code, unreachable_pub)]
mod postgres;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

tokio::task_local! {
    static ENGINE: Engine;
}

/// What a database lives in; gone with this.
#[derive(Debug)]
pub struct Kept {
    directory: TempDir,
    _database: Option<postgres::Fresh>,
    url: String,
}

impl Kept {
    /// A directory, for the test's own files.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The database's URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Runs a test on SQLite, and on a PostgreSQL that is started for the tests of this process.
pub async fn on_both_engines(test: impl AsyncFn()) {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    let engines = if quick { &[Engine::Sqlite][..] } else { &[Engine::Sqlite, Engine::Postgres] };
    for engine in engines {
        // Shown with the panic of a test that fails.
        eprintln!("on {engine:?}");
        ENGINE.scope(*engine, test()).await;
    }
}

/// A new place for a database of the engine that the test runs on; SQLite outside of
/// [`on_both_engines`].
pub fn place() -> Kept {
    let directory = tempfile::tempdir().expect("a temporary directory");
    if ENGINE.try_with(|engine| *engine) == Ok(Engine::Postgres) {
        let database = postgres::Cluster::shared().database();
        let url = database.url();
        return Kept { directory, _database: Some(database), url };
    }
    let url = format!("sqlite:{}", directory.path().join("test.db").display());
    Kept { directory, _database: None, url }
}

/// A new database of the engine that the test runs on, with so many connections.
pub async fn database(connections: u32) -> (Kept, Db) {
    let kept = place();
    let db = Db::open(kept.url(), connections).await.expect("a database");
    (kept, db)
}
