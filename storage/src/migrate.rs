//! The schema's versions, compiled into the program.
//!
//! Each is applied in one transaction with the row that says so, and that transaction excludes
//! every other program that would do the same. So a program can die between any two statements,
//! and any number can start at once. The lock of PostgreSQL belongs to the transaction: one of the
//! session would not hold behind a pooler that gives each transaction another session.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType};
use sqlx::{Connection as _, PgConnection, SqlSafeStr, SqliteConnection};

use crate::error::{Error, Result};

struct Step {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "first",
        sqlite: include_str!("../../migrations/sqlite/0001_first.sql"),
        postgres: include_str!("../../migrations/postgres/0001_first.sql"),
    },
    Step {
        version: 2,
        name: "roles",
        sqlite: include_str!("../../migrations/0002_roles.sql"),
        postgres: include_str!("../../migrations/0002_roles.sql"),
    },
    Step {
        version: 3,
        name: "access",
        sqlite: include_str!("../../migrations/sqlite/0003_access.sql"),
        postgres: include_str!("../../migrations/postgres/0003_access.sql"),
    },
    Step {
        version: 4,
        name: "stores",
        sqlite: include_str!("../../migrations/sqlite/0004_stores.sql"),
        postgres: include_str!("../../migrations/postgres/0004_stores.sql"),
    },
    Step {
        version: 5,
        name: "collection",
        sqlite: include_str!("../../migrations/sqlite/0005_collection.sql"),
        postgres: include_str!("../../migrations/postgres/0005_collection.sql"),
    },
    Step {
        version: 6,
        name: "checks",
        sqlite: include_str!("../../migrations/sqlite/0006_checks.sql"),
        postgres: include_str!("../../migrations/postgres/0006_checks.sql"),
    },
    Step {
        version: 7,
        name: "bindings",
        sqlite: include_str!("../../migrations/0007_bindings.sql"),
        postgres: include_str!("../../migrations/0007_bindings.sql"),
    },
    Step {
        version: 8,
        name: "artifacts",
        sqlite: include_str!("../../migrations/sqlite/0008_artifacts.sql"),
        postgres: include_str!("../../migrations/postgres/0008_artifacts.sql"),
    },
    Step {
        version: 9,
        name: "labels",
        sqlite: include_str!("../../migrations/sqlite/0009_labels.sql"),
        postgres: include_str!("../../migrations/postgres/0009_labels.sql"),
    },
    Step {
        version: 10,
        name: "webhooks",
        sqlite: include_str!("../../migrations/sqlite/0010_webhooks.sql"),
        postgres: include_str!("../../migrations/postgres/0010_webhooks.sql"),
    },
    Step {
        version: 11,
        name: "retention",
        sqlite: include_str!("../../migrations/sqlite/0011_retention.sql"),
        postgres: include_str!("../../migrations/postgres/0011_retention.sql"),
    },
    Step {
        version: 12,
        name: "undelete",
        sqlite: include_str!("../../migrations/sqlite/0012_undelete.sql"),
        postgres: include_str!("../../migrations/postgres/0012_undelete.sql"),
    },
    Step {
        version: 13,
        name: "lists",
        sqlite: include_str!("../../migrations/sqlite/0013_lists.sql"),
        postgres: include_str!("../../migrations/postgres/0013_lists.sql"),
    },
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
)";
const POSTGRES_TABLE: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
)";
const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations ORDER BY version";
const NOTE: &str = "INSERT INTO _sqlx_migrations
    (version, description, success, checksum, execution_time) VALUES ($1, $2, TRUE, $3, -1)";

/// Any number that other programs in the same database are unlikely to lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8242017430917311)";

/// The newest version that this program knows.
pub(crate) fn newest() -> i64 {
    STEPS.iter().map(|step| step.version).max().unwrap_or(0)
}

fn migrations(text: impl Fn(&Step) -> &'static str) -> impl Iterator<Item = Migration> {
    STEPS.iter().map(move |step| {
        let sql = text(step).into_sql_str();
        let (name, kind) = (Cow::Borrowed(step.name), MigrationType::Simple);
        Migration::new(step.version, name, kind, sql, false)
    })
}

/// What is to be done next, given what was done.
fn next(
    applied: &[(i64, Vec<u8>)],
    mut known: impl Iterator<Item = Migration>,
) -> Result<Option<Migration>> {
    let found = applied.last().map_or(0, |(version, _)| *version);
    if found > newest() {
        return Err(Error::NewerSchema { found, known: newest() });
    }
    let mut before = applied.iter();
    known
        .find_map(|migration| match before.next() {
            None => Some(Ok(migration)),
            Some((version, sum))
                if *version == migration.version && *sum == *migration.checksum =>
            {
                None
            }
            Some((version, _)) => Some(Err(Error::inconsistent(
                "_sqlx_migrations",
                format!("version {version} is not the one that this program knows"),
            ))),
        })
        .transpose()
}

pub(crate) async fn postgres(conn: &mut PgConnection) -> Result<()> {
    loop {
        let mut tx = conn.begin().await?;
        // A migration may take as long as it needs, and wait for one that another program applies.
        for sql in ["SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0", LOCK] {
            sqlx::raw_sql(sql).execute(&mut *tx).await?;
        }
        let there: (Option<String>,) =
            sqlx::query_as("SELECT to_regclass('_sqlx_migrations')::text")
                .fetch_one(&mut *tx)
                .await?;
        if there.0.is_none() {
            sqlx::raw_sql(POSTGRES_TABLE).execute(&mut *tx).await?;
        }
        let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(APPLIED).fetch_all(&mut *tx).await?;
        let Some(migration) = next(&applied, migrations(|step| step.postgres))? else {
            return Ok(tx.rollback().await?);
        };
        let Migration { version, description, sql, checksum, .. } = migration;
        sqlx::raw_sql(sql).execute(&mut *tx).await?;
        let note = sqlx::query(NOTE).bind(version).bind(description).bind(checksum.into_owned());
        note.execute(&mut *tx).await?;
        tx.commit().await?;
        tracing::info!(version, "the database's schema was brought up to date");
    }
}

pub(crate) async fn sqlite(conn: &mut SqliteConnection) -> Result<()> {
    loop {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(TABLE).execute(&mut *tx).await?;
        let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(APPLIED).fetch_all(&mut *tx).await?;
        let Some(migration) = next(&applied, migrations(|step| step.sqlite))? else {
            return Ok(tx.rollback().await?);
        };
        let Migration { version, description, sql, checksum, .. } = migration;
        sqlx::raw_sql(sql).execute(&mut *tx).await?;
        let note = sqlx::query(NOTE).bind(version).bind(description).bind(checksum.into_owned());
        note.execute(&mut *tx).await?;
        tx.commit().await?;
    }
}

/// Refuses a schema that is not this program's, without touching it.
pub(crate) fn check(found: i64) -> Result<()> {
    match found.cmp(&newest()) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(Error::NewerSchema { found, known: newest() }),
        std::cmp::Ordering::Less => Err(Error::inconsistent(
            "_sqlx_migrations",
            format!("schema {found} is older than {}; start the server once", newest()),
        )),
    }
}
#[cfg(test)]
mod catalogues;

#[cfg(test)]
mod tests {
    use super::*;

    /// The PostgreSQL text with SQLite's words for the same things.
    fn in_sqlite_words(postgres: &str) -> String {
        postgres
            .replace(
                "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                "INTEGER PRIMARY KEY AUTOINCREMENT",
            )
            .replace(
                "BIGINT GENERATED BY DEFAULT AS IDENTITY (START WITH 6) PRIMARY KEY",
                "INTEGER PRIMARY KEY AUTOINCREMENT",
            )
            .replace(" COLLATE \"C\"", "")
            .replace("DEFAULT FALSE", "DEFAULT 0")
            .replace("DEFAULT TRUE", "DEFAULT 1")
            .replace("BIGINT", "INTEGER")
            .replace("BOOLEAN", "INTEGER")
            .replace("BYTEA", "BLOB")
            .replace("\n);", "\n) STRICT;")
    }

    /// Databases out there remember the texts that made them, and refuse others.
    #[test]
    fn what_was_released_is_never_edited() {
        const RELEASED: [(i64, &str, &str); 3] = [
            (
                1,
                "a4e4f8ea87303c08c4159b0d476b0ec4832e11e8641371024c5debbadd59b0ab",
                "52b009f43b0ad1dda7fa9190a8406e0116ba2d140fdb491374867a9db55a6fac",
            ),
            (
                2,
                "87ac91353e6a5f2fb203a3fbc77a2885e69b070ecaf8f34f8d91d93c15a42c32",
                "87ac91353e6a5f2fb203a3fbc77a2885e69b070ecaf8f34f8d91d93c15a42c32",
            ),
            (
                3,
                "7c14fb812e0370bd636679ccc0c3345243a897af29dda0e10b30f67a4cd81992",
                "89e370fba846444ea89c7a7a7a839e05289a43acd1afa928c88868024e22e810",
            ),
        ];
        let hash = |text: &str| {
            use roadstead_model::{Algorithm, Digest};
            Digest::of(Algorithm::Sha256, text.as_bytes()).to_string().replace("sha256:", "")
        };
        for (version, sqlite, postgres) in RELEASED {
            let step = STEPS.iter().find(|step| step.version == version).unwrap();
            assert_eq!(hash(step.sqlite), sqlite, "{version}: make a new migration instead");
            assert_eq!(hash(step.postgres), postgres, "{version}: make a new migration instead");
        }
    }

    #[test]
    fn both_engines_have_the_same_tables_columns_and_keys() {
        // Triggers are written as each engine has them; what they do is tested with the tables.
        let tables = |text: &'static str| text.split("-- Triggers").next().unwrap_or_default();
        for step in STEPS {
            let (sqlite, postgres) = (tables(step.sqlite), tables(step.postgres));
            let inserts = sqlite == postgres;
            assert!(inserts || in_sqlite_words(postgres) == sqlite, "{}", step.name);
            let names_compare_by_bytes =
                postgres.matches(" TEXT").count() == postgres.matches("COLLATE").count();
            assert!(inserts || names_compare_by_bytes, "{}", step.name);
        }
    }
}
