//! Statements that go to SQLite in one trip.
//!
//! The driver of transactions asks a thread for each statement and is told of each row; that costs
//! more than most statements do. What is written often is therefore written as a batch: several
//! statements in one text, which share their arguments.
//!
//! **The first statement decides.** It says with its own conditions whether anything is to be
//! done, and changes exactly one row if so; else the others are not run. When one of them fails, so
//! does the whole group that would have been committed with it. So a batch is whole or nothing
//! without a savepoint, and SQLite, which has one writer, lets nobody in between. Whoever finds that
//! nothing was done goes the long way, in a transaction.
//!
//! PostgreSQL has no batches: its transactions lock what they decide by, one statement after the
//! other.

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection};

use crate::db::Touched;
use crate::query::count_statements;

/// Statements and their arguments.
#[must_use]
pub(crate) struct Batch {
    sql: &'static str,
    arguments: Vec<Value>,
}

impl Batch {
    /// The statements of `sql`, which end with semicolons; `$1` is the same in all of them.
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql, arguments: Vec::new() }
    }

    /// Binds the next `$n`.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.arguments.push(value.into());
        self
    }

    /// Binds a text, with U+FFFD for each U+0000 as everywhere.
    pub(crate) fn text(self, text: &str) -> Self {
        if text.contains('\0') {
            self.bind(text.replace('\0', "\u{FFFD}"))
        } else {
            self.bind(text.to_owned())
        }
    }

    fn statements(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.sql.split(';').map(str::trim).filter(|statement| !statement.is_empty())
    }

    /// What it changes of that which others may remember.
    pub(crate) fn touched(&self) -> Touched {
        let mut touched = Touched::default();
        self.statements().for_each(|statement| touched.note(statement));
        touched
    }

    /// Runs it; returns whether it did something.
    pub(crate) fn run(&self, connection: &Connection) -> rusqlite::Result<bool> {
        for (place, sql) in self.statements().enumerate() {
            let mut statement = connection.prepare_cached(sql)?;
            self.bind_to(&mut statement)?;
            count_statements(1);
            if statement.raw_execute()? != 1 && place == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// SQLite counts the names of arguments as they come; here `$7` is the seventh of the batch.
    fn bind_to(&self, statement: &mut CachedStatement<'_>) -> rusqlite::Result<()> {
        for index in 1..=statement.parameter_count() {
            let number =
                statement.parameter_name(index).and_then(|name| name.get(1..)?.parse().ok());
            let value = number.and_then(|number: usize| self.arguments.get(number.checked_sub(1)?));
            let value =
                value.ok_or(rusqlite::Error::InvalidParameterCount(index, self.arguments.len()))?;
            statement.raw_bind_parameter(index, value)?;
        }
        Ok(())
    }
}
