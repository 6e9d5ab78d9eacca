//! The first connection to a PostgreSQL server.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};

use super::options::Options;
use super::session::{self, Session};
use crate::error::{Error, Result};

/// The oldest version whose SQL this program speaks, as `server_version_num` has it.
const OLDEST: i32 = 130_000;

/// Connects, and waits for a server that is not there yet or is starting: services of one
/// installation come up in any order.
pub(super) async fn first_connection(options: &Options) -> Result<PgConnection> {
    let connection = options.postgres()?;
    let session = Session::new(options, false);
    let since = Instant::now();
    let mut conn = loop {
        let tried = tokio::time::timeout(options.acquire_timeout, begin(&connection, &session));
        let error = match tried.await.unwrap_or(Err(Error::Database(sqlx::Error::PoolTimedOut))) {
            Ok(conn) => break conn,
            Err(error) => error,
        };
        if !is_absent(&error) || since.elapsed() >= options.start_timeout {
            return Err(error);
        }
        tracing::warn!(%error, "waiting for the database");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    session::require_own_process(&mut conn, &connection, options.acquire_timeout).await?;
    let (version, name): (i32, String) = sqlx::query_as(
        "SELECT CAST(current_setting('server_version_num') AS INTEGER),
                current_setting('server_version')",
    )
    .fetch_one(&mut conn)
    .await?;
    if version < OLDEST {
        return Err(Error::OldServer { found: name, oldest: OLDEST / 10_000 });
    }
    Ok(conn)
}

async fn begin(connection: &PgConnectOptions, session: &Session) -> Result<PgConnection> {
    let mut conn = connection.connect().await?;
    if session.begin(&mut conn).await? { Err(Error::Standby) } else { Ok(conn) }
}

/// Whether there is no server yet, in contrast to one that does not want this program.
fn is_absent(error: &Error) -> bool {
    match error {
        Error::Standby | Error::Database(sqlx::Error::PoolTimedOut) => true,
        // A server was there, and its certificate is not to be trusted.
        Error::Database(sqlx::Error::Io(error)) => error.kind() != ErrorKind::InvalidData,
        // cannot_connect_now: it starts or stops.
        Error::Database(sqlx::Error::Database(database)) => {
            database.code().as_deref() == Some("57P03")
        }
        _ => false,
    }
}
