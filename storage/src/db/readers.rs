//! SQLite's connections that read.
//!
//! A pool of the driver asks a connection whether it lives before it is used and after, and gives
//! it back by a task: each of that costs as much as a statement. A connection to a file is alive.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::options::LIFETIME;
use crate::error::Result;

pub(super) struct Readers {
    options: SqliteConnectOptions,
    patience: Duration,
    room: Arc<Semaphore>,
    /// The one that was used last comes first: what is rarely needed rarely wakes up.
    idle: Mutex<Vec<Open>>,
}

struct Open {
    connection: SqliteConnection,
    since: Instant,
}

impl Readers {
    pub(super) fn new(options: SqliteConnectOptions, most: u32, patience: Duration) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(most.max(1) as usize));
        Arc::new(Self { options, patience, room, idle: Mutex::default() })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, once there is one.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<Reader> {
        let permit = match self.room.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(self.patience, self.room.clone().acquire_owned())
                .await
                .map_err(|_| sqlx::Error::PoolTimedOut)?
                .map_err(|_| sqlx::Error::PoolClosed)?,
        };
        let idle = self.idle().pop().filter(|open| open.since.elapsed() < LIFETIME);
        let open = match idle {
            Some(open) => open,
            None => Open { connection: self.options.connect().await?, since: Instant::now() },
        };
        Ok(Reader { open: Some(open), readers: self.clone(), _permit: permit })
    }
}

/// A connection that reads, until it is dropped.
pub(super) struct Reader {
    open: Option<Open>,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Before the permit, so that whoever gets that finds it.
        if let Some(open) = self.open.take() {
            self.readers.idle().push(open);
        }
    }
}

// A reader has its connection until it is dropped.
impl Deref for Reader {
    type Target = SqliteConnection;

    #[allow(clippy::expect_used)]
    fn deref(&self) -> &SqliteConnection {
        &self.open.as_ref().expect("a connection").connection
    }
}

impl DerefMut for Reader {
    #[allow(clippy::expect_used)]
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.open.as_mut().expect("a connection").connection
    }
}
