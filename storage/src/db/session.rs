//! What a connection to PostgreSQL is told before it is used.
//!
//! The limits are set by a statement and not in the packet that a connection starts with: poolers
//! refuse what they do not know in there.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};

use super::options::Options;
use crate::error::{Error, Result};

type Outcome<T> = std::result::Result<T, sqlx::Error>;

/// How long a transaction may do nothing: it holds locks, and nothing inside of one waits for
/// anything but the database.
const IDLE_IN_TRANSACTION: Duration = Duration::from_mins(1);
/// How often two connections are compared, by whoever may be behind a pooler.
const COMPARISONS: usize = 4;

/// The statement that sets a connection's limits.
#[derive(Clone, Debug)]
pub(super) struct Session(String);

impl Session {
    pub(super) fn new(options: &Options, read_only: bool) -> Self {
        let milliseconds = |time: Duration| time.as_millis().to_string();
        let mut settings = vec![
            ("statement_timeout", milliseconds(options.statement_timeout)),
            ("lock_timeout", milliseconds(options.lock_timeout)),
            ("idle_in_transaction_session_timeout", milliseconds(IDLE_IN_TRANSACTION)),
            // Statements are short: compiling one takes longer than it does.
            ("jit", "off".to_owned()),
            // Waiting for a client that is gone would keep its locks.
            ("tcp_keepalives_idle", "30".to_owned()),
            ("tcp_keepalives_interval", "10".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ];
        if read_only {
            settings.push(("default_transaction_read_only", "on".to_owned()));
        }
        let set =
            settings.iter().map(|(name, to)| format!(", set_config('{name}', '{to}', false)"));
        Self(format!("SELECT pg_is_in_recovery(){}", set.collect::<String>()))
    }

    /// Sets the limits; returns whether the server is a standby.
    pub(super) async fn begin(&self, conn: &mut PgConnection) -> Outcome<bool> {
        let row = sqlx::raw_sql(AssertSqlSafe(self.0.as_str())).fetch_one(conn).await?;
        row.try_get(0)
    }

    /// The same for a connection of a pool, which takes none to a standby: what that one has not
    /// heard of yet would be answered as if it were not there.
    pub(super) async fn begin_on_primary(&self, conn: &mut PgConnection) -> Outcome<()> {
        if self.begin(conn).await? {
            return Err(sqlx::Error::Configuration("the server is a standby".into()));
        }
        Ok(())
    }
}

/// Whether the server of a connection takes no writes (any more).
pub(super) async fn is_standby(conn: &mut PgConnection) -> Outcome<bool> {
    let (standby,) = sqlx::query_as("SELECT pg_is_in_recovery()").fetch_one(conn).await?;
    Ok(standby)
}

/// Fails when each statement may reach another process of the server, as behind a pooler that
/// pools transactions: limits, prepared statements and turns would be somebody else's.
pub(super) async fn require_own_process(
    conn: &mut PgConnection,
    options: &PgConnectOptions,
    patience: Duration,
) -> Result<()> {
    let Ok(Ok(mut other)) = tokio::time::timeout(patience, options.connect()).await else {
        return Ok(());
    };
    let (mine, others) = (process(conn).await?, process(&mut other).await?);
    let mut own = mine != others;
    for _ in 1..COMPARISONS {
        own &= mine == process(conn).await? && others == process(&mut other).await?;
    }
    other.close().await?;
    if own { Ok(()) } else { Err(Error::SharedProcess) }
}

async fn process(conn: &mut PgConnection) -> Outcome<i32> {
    let row: PgRow = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(conn).await?;
    row.try_get(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{Conn, Db, Options};

    async fn setting(conn: &mut Conn, name: &str) -> String {
        let query = conn.query("SELECT current_setting($1)").bind(name);
        query.fetch_one::<(String,)>().await.unwrap().0
    }

    #[tokio::test]
    async fn connections_have_their_limits_and_those_that_read_cannot_write() {
        crate::testing::on_both_engines(async || {
            let kept = crate::testing::place();
            let mut options = Options::new(kept.url()).connections(1);
            options.statement_timeout = Duration::from_secs(7);
            options.lock_timeout = Duration::from_secs(3);
            let db = Db::connect(&options).await.unwrap();
            let mut conn = db.read().await.unwrap();
            if !conn.is_postgres() {
                return;
            }
            assert_eq!(setting(&mut conn, "default_transaction_read_only").await, "on");
            assert_eq!(setting(&mut conn, "statement_timeout").await, "7s");
            drop(conn);
            let mut tx = db.begin().await.unwrap();
            assert_eq!(setting(&mut tx, "default_transaction_read_only").await, "off");
            assert_eq!(setting(&mut tx, "lock_timeout").await, "3s");
            assert_eq!(setting(&mut tx, "idle_in_transaction_session_timeout").await, "1min");
        })
        .await;
    }
}
