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
    /// More bytes than the project's quota leaves; in Harbor's words, which its clients look for.
    #[error(
        "adding {} of storage resource, which when updated to current usage of {} will exceed the \
         configured upper limit of {}",
        binary(*requested),
        binary(*used),
        binary(*quota)
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
    /// The database server is of a version that this program does not speak to.
    #[error("the database server is PostgreSQL {found}; this program needs {oldest} or newer")]
    OldServer {
        /// What the server says.
        found: String,
        /// The oldest major version that will do.
        oldest: i32,
    },
    /// The database server only follows another one.
    #[error("the database server is a standby, and nothing can be written there; name the primary")]
    Standby,
    /// What is between this program and the database gives each transaction to any of its
    /// connections.
    #[error(
        "statements of one connection reach different processes of the database: a pooler in front \
         of it pools transactions; have it pool sessions (PgBouncer: pool_mode = session), or \
         connect to the database itself"
    )]
    SharedProcess,
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
    /// Other transactions were in the way of this one, of which nothing was written. It may be
    /// tried again at once.
    #[error("other changes were in the way; try again")]
    Contended,
    /// The database failed or cannot be reached.
    #[error("database: {0}")]
    Database(sqlx::Error),
    /// The group of transactions that this one was committed with failed as a whole.
    #[error("database: {0}")]
    Batch(String),
    /// The object store failed, or cannot be reached.
    #[error("object store: {what}: {source}")]
    Store {
        /// What was tried.
        what: &'static str,
        /// How it failed.
        source: Box<object_store::Error>,
    },
    /// The object store failed so often just now that it is not asked for a moment.
    #[error("object store: not asked, because it failed again and again just now")]
    StoreResting,
    /// More bytes wait to be sent to the object store than memory is set aside for.
    #[error("object store: too many uploads at once")]
    StoreBusy,
    /// The settings of the object store are no good.
    #[error("{0}")]
    StoreSettings(String),
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
    /// Whether PostgreSQL gave the transaction up for another one: a lock that was not to be waited
    /// for, a circle of waiting transactions. The same transaction may work in a moment.
    pub fn is_contention(&self) -> bool {
        match self {
            Self::Contended => true,
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().as_deref() == Some("55P03")
            }
            _ => false,
        }
    }

    pub(crate) fn store(what: &'static str) -> impl Fn(object_store::Error) -> Self {
        move |source| Self::Store { what, source: Box::new(source) }
    }

    pub(crate) fn damaged(key: impl std::fmt::Display, what: impl Into<String>) -> Self {
        Self::Damaged { key: key.to_string(), what: what.into() }
    }

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
            // PostgreSQL's serialization_failure and deadlock_detected.
            Some("40001" | "40P01") => Self::Contended,
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

/// A number of bytes as people read it: `512 B`, `1.5 MiB`.
fn binary(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut whole, mut tenths, mut unit) = (bytes, 0, "B");
    for larger in UNITS {
        if whole < 1024 {
            break;
        }
        (tenths, whole, unit) = (whole % 1024 * 10 / 1024, whole / 1024, larger);
    }
    if unit == "B" { format!("{whole} B") } else { format!("{whole}.{tenths} {unit}") }
}
