//! The schema's versions, compiled into the program.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr, SqlitePool};

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
];

/// The newest version that this program knows.
pub(crate) fn newest() -> i64 {
    STEPS.iter().map(|step| step.version).max().unwrap_or(0)
}

fn migrator(text: impl Fn(&Step) -> &'static str) -> Migrator {
    let migrations = STEPS.iter().map(|step| {
        Migration::new(
            step.version,
            Cow::Borrowed(step.name),
            MigrationType::Simple,
            text(step).into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

pub(crate) async fn postgres(pool: &PgPool) -> Result<()> {
    Ok(migrator(|step| step.postgres).run(pool).await?)
}

pub(crate) async fn sqlite(pool: &SqlitePool) -> Result<()> {
    Ok(migrator(|step| step.sqlite).run(pool).await?)
}

/// Refuses a schema that is not this program's, without touching it.
pub(crate) async fn check_sqlite(pool: &SqlitePool) -> Result<()> {
    let (found,): (i64,) =
        sqlx::query_as("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(pool).await?;
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
mod tests {
    use super::*;

    /// The PostgreSQL text with SQLite's words for the same things.
    fn in_sqlite_words(postgres: &str) -> String {
        postgres
            .replace(
                "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                "INTEGER PRIMARY KEY AUTOINCREMENT",
            )
            .replace(" COLLATE \"C\"", "")
            .replace("DEFAULT FALSE", "DEFAULT 0")
            .replace("BIGINT", "INTEGER")
            .replace("BOOLEAN", "INTEGER")
            .replace("BYTEA", "BLOB")
            .replace("\n);", "\n) STRICT;")
    }

    #[test]
    fn both_engines_have_the_same_tables_columns_and_keys() {
        for step in STEPS {
            let inserts = step.sqlite == step.postgres;
            assert!(inserts || in_sqlite_words(step.postgres) == step.sqlite, "{}", step.name);
            let names_compare_by_bytes =
                step.postgres.matches(" TEXT").count() == step.postgres.matches("COLLATE").count();
            assert!(inserts || names_compare_by_bytes, "{}", step.name);
        }
    }
}
