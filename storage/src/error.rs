//! What can go wrong, sorted by what a caller can do about it.

use roadstead_model::ObjectKeyError;

/// The result of a storage call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the database or the blob store. Absence is not a failure: that is an `Option`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A row with the same unique key exists.
    #[error("a row with this key exists already")]
    Conflict,
    /// A referenced row is gone, or a row that others reference was to be removed.
    #[error("a reference does not allow this")]
    Reference,
    /// More bytes than the project's quota leaves.
    #[error(
        "adding {requested} bytes of storage, which with {used} bytes used exceeds the quota of \
         {quota} bytes"
    )]
    OverQuota {
        /// What the project uses, in bytes.
        used: i64,
        /// What was to be added, in bytes.
        requested: i64,
        /// The limit, in bytes.
        quota: i64,
    },
    /// No space is left on the device, or less than the reserve.
    #[error("no space left for {0}")]
    Full(&'static str),
    /// The database's schema was written by a newer version of the program.
    #[error(
        "the database was written by a newer version of roadstead (schema {found}, this program \
         knows {known}); start that version or a newer one"
    )]
    NewerSchema {
        /// The newest migration found in the database.
        found: i64,
        /// The newest migration of this program.
        known: i64,
    },
    /// The store's layout was written by a newer version of the program.
    #[error(
        "the blob store has format {found:?} and this program knows {known:?}; it was written by \
         a newer version of roadstead"
    )]
    NewerFormat {
        /// What the store says.
        found: String,
        /// What this program writes.
        known: &'static str,
    },
    /// An object is not what its row says.
    #[error("object {key} is damaged: {what}")]
    Damaged {
        /// The object.
        key: String,
        /// In which way.
        what: String,
    },
    /// A row holds what no version of the program writes.
    #[error("inconsistent row in {table}: {what}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column and its value.
        what: String,
    },
    /// The database failed or cannot be reached.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
    /// The group of transactions that this one was committed with failed as a whole.
    #[error("database: {0}")]
    Batch(String),
    /// The file system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// How it failed.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Full("blobs")
            }
            _ => Self::Io { what, source },
        }
    }

    pub(crate) fn inconsistent(table: &'static str, what: impl std::fmt::Display) -> Self {
        Self::Inconsistent { table, what: format!("{what}") }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return Self::Database(error);
        };
        // 13 is SQLITE_FULL, 53100 PostgreSQL's disk_full.
        match database.code().as_deref() {
            Some("13" | "53100") => Self::Full("the database"),
            _ if database.is_unique_violation() => Self::Conflict,
            _ if database.is_foreign_key_violation() => Self::Reference,
            _ => Self::Database(error),
        }
    }
}

impl From<ObjectKeyError> for Error {
    fn from(error: ObjectKeyError) -> Self {
        Self::inconsistent("okey", error)
    }
}
