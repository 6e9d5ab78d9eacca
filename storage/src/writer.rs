//! SQLite's one writer, with group commit.
//!
//! A durable commit costs an fsync, a few hundred a second; a statement costs microseconds. So
//! transactions that queue up share a commit: the connection opens one outer transaction, each
//! caller works in a savepoint of it, and an acknowledgement waits for the outer COMMIT. A caller
//! that rolls back takes only its savepoint back. When the engine itself rolls back (full disk,
//! I/O error), no savepoint is left, the next `RELEASE` or `ROLLBACK TO` fails, and everybody in
//! the group is told that it failed.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::db::{Hold, Touched};
use crate::error::{Error, Result};
use crate::remembered::Generations;

mod queue;

use queue::Queue;

/// How many transactions share a commit at most, and how long the first of them waits for it.
const LARGEST_GROUP: usize = 128;
const LONGEST_WAIT: Duration = Duration::from_millis(20);

pub(crate) struct Writer {
    options: SqliteConnectOptions,
    group: Arc<Mutex<Group>>,
    /// Callers that wait for the connection; while there are some, a commit can be left to them.
    waiting: AtomicUsize,
    /// Batches that wait for the connection.
    queue: Queue,
}

/// Whom to tell how a commit ended.
type Waiter = oneshot::Sender<Result<()>>;

struct Group {
    /// None after a failure, until the next caller connects again.
    connection: Option<SqliteConnection>,
    open: bool,
    /// Transactions since BEGIN, those that were rolled back included.
    members: usize,
    /// When the first of those that wait for the commit began to.
    waiting_since: Option<Instant>,
    /// Who waits for the commit, with what it changes.
    committed: Vec<(Waiter, Touched)>,
    generations: Generations,
    /// When a transaction could not even begin, and why.
    refused: Option<(Instant, Error)>,
}

impl Writer {
    /// `options` are for further connections, after a failure.
    pub(crate) fn new(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        generations: Generations,
    ) -> Arc<Self> {
        let group = Group {
            connection: Some(connection),
            open: false,
            members: 0,
            waiting_since: None,
            committed: Vec::new(),
            generations,
            refused: None,
        };
        Arc::new(Self {
            options,
            group: Arc::new(Mutex::new(group)),
            waiting: AtomicUsize::new(0),
            queue: Queue::default(),
        })
    }

    /// Waits for the connection and opens a savepoint. Runs as a task of its own, so that a
    /// caller which goes away while waiting leaves nothing half begun.
    pub(crate) async fn begin(self: Arc<Self>, mut hold: Option<Hold>) -> Result<WriterTx> {
        tokio::spawn(async move {
            let since = Instant::now();
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let mut group = self.group.clone().lock_owned().await;
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            group.share_refusal(since)?;
            if let Some(hold) = &mut hold {
                // Whoever has left a commit to the next one does not wait for the background.
                group.settle().await;
                hold.begins();
            }
            match group.enter(&self.options).await {
                Ok(()) => Ok(WriterTx { group: Some(group), hold, writer: self }),
                Err(error) => {
                    group.fail(&error);
                    Err(error)
                }
            }
        })
        .await
        .map_err(|error| Error::Batch(error.to_string()))?
    }

    /// True when somebody else will take the connection next and can commit the group.
    fn has_successor(&self, group: &Group) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0 && group.has_room()
    }
}

impl Group {
    /// Whether more transactions may share the commit of these.
    fn has_room(&self) -> bool {
        let patient = self.waiting_since.is_none_or(|since| since.elapsed() < LONGEST_WAIT);
        self.members < LARGEST_GROUP && patient
    }

    async fn enter(&mut self, options: &SqliteConnectOptions) -> Result<()> {
        if let Err(error) = self.open(options).await {
            self.refused = Some((Instant::now(), told(&error)));
            return Err(error);
        }
        self.members += 1;
        self.run("SAVEPOINT caller").await
    }

    async fn open(&mut self, options: &SqliteConnectOptions) -> Result<()> {
        if self.connection.is_none() {
            self.connection = Some(options.connect().await?);
        }
        if !self.open {
            self.run("BEGIN IMMEDIATE").await?;
            self.open = true;
        }
        Ok(())
    }

    /// Whoever was waiting already when the database was found locked, or broken, has waited for
    /// it: one after the other would wait ever longer.
    fn share_refusal(&self, since: Instant) -> Result<()> {
        match &self.refused {
            Some((at, error)) if *at > since => Err(told(error)),
            _ => Ok(()),
        }
    }

    async fn run(&mut self, sql: &'static str) -> Result<()> {
        let connection =
            self.connection.as_mut().ok_or_else(|| Error::Batch("not connected".to_owned()))?;
        sqlx::query(sql).execute(connection).await?;
        Ok(())
    }

    /// Commits if somebody waits for it.
    async fn settle(&mut self) {
        if self.open && !self.committed.is_empty() {
            self.flush().await;
        }
    }

    /// Commits the outer transaction and tells everybody in it.
    async fn flush(&mut self) {
        match self.run("COMMIT").await {
            Ok(()) => {
                self.close();
                for (caller, touched) in self.committed.drain(..) {
                    touched.committed(&self.generations);
                    // A caller that has gone away needs no answer.
                    let _ = caller.send(Ok(()));
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Tells everybody in the group that it failed, and gives the connection up.
    fn fail(&mut self, error: &Error) {
        tracing::error!(%error, transactions = self.committed.len(), "a group of writes failed");
        for (caller, touched) in self.committed.drain(..) {
            // Whether it was written is not known.
            touched.committed(&self.generations);
            let _ = caller.send(Err(told(error)));
        }
        // Closing rolls back what is open.
        self.connection = None;
        self.close();
    }

    fn close(&mut self) {
        self.open = false;
        self.members = 0;
        self.waiting_since = None;
    }
}

/// What the others are told of an error.
fn told(error: &Error) -> Error {
    match error {
        Error::Full(what) => Error::Full(what),
        Error::Batch(text) => Error::Batch(text.clone()),
        other => Error::Batch(other.to_string()),
    }
}

/// A savepoint in the writer's current transaction.
pub(crate) struct WriterTx {
    group: Option<OwnedMutexGuard<Group>>,
    hold: Option<Hold>,
    writer: Arc<Writer>,
}

impl WriterTx {
    pub(crate) async fn commit(mut self, touched: Touched) -> Result<()> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let (writer, hold) = (self.writer.clone(), self.hold.take());
        let (sender, receiver) = oneshot::channel();
        // A task of its own: the caller may go away, the others in the group may not wait.
        tokio::spawn(async move {
            // Ends after the group is somebody else's.
            let (_hold, mut group) = (hold, group);
            if let Err(error) = group.run("RELEASE caller").await {
                group.committed.push((sender, touched));
                return group.fail(&error);
            }
            group.committed.push((sender, touched));
            group.waiting_since.get_or_insert_with(Instant::now);
            if !writer.has_successor(&group) {
                group.flush().await;
            }
        });
        receiver.await.map_err(|_| Error::Batch("the writer stopped".to_owned()))?
    }
}

impl Drop for WriterTx {
    fn drop(&mut self) {
        let Some(group) = self.group.take() else {
            return;
        };
        let (writer, hold) = (self.writer.clone(), self.hold.take());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let (_hold, mut group) = (hold, group);
            for sql in ["ROLLBACK TO caller", "RELEASE caller"] {
                if let Err(error) = group.run(sql).await {
                    return group.fail(&error);
                }
            }
            if !writer.has_successor(&group) {
                group.flush().await;
            }
        });
    }
}

// A WriterTx holds its guard, and a guard its connection, until commit or drop takes them away;
// statements run in between only.
impl Deref for WriterTx {
    type Target = SqliteConnection;

    #[allow(clippy::expect_used)]
    fn deref(&self) -> &SqliteConnection {
        self.group.as_ref().and_then(|g| g.connection.as_ref()).expect("an open transaction")
    }
}

impl DerefMut for WriterTx {
    #[allow(clippy::expect_used)]
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.group.as_mut().and_then(|g| g.connection.as_mut()).expect("an open transaction")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::Db;

    async fn database() -> (tempfile::TempDir, Db) {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("test.db").display());
        let db = Db::open(&url, 4).await.unwrap();
        (directory, db)
    }

    async fn set(tx: &mut crate::Tx, name: &str) {
        tx.query("INSERT INTO setting (name, value) VALUES ($1, '')")
            .bind(name)
            .execute()
            .await
            .unwrap();
    }

    async fn count(db: &Db) -> i64 {
        let mut conn = db.read().await.unwrap();
        conn.query("SELECT COUNT(*) FROM setting").fetch_one::<(i64,)>().await.unwrap().0
    }

    #[tokio::test]
    async fn what_a_caller_drops_is_gone_and_what_its_neighbours_commit_stays() {
        let (_directory, db) = database().await;
        let writers = (0..64).map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.begin().await.unwrap();
                set(&mut tx, &n.to_string()).await;
                tokio::task::yield_now().await;
                if n % 2 == 0 {
                    tx.commit().await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        assert_eq!(count(&db).await, 32);
    }

    #[tokio::test]
    async fn an_acknowledged_commit_is_visible_at_once_even_when_the_next_caller_gives_up() {
        let (_directory, db) = database().await;
        let mut first = db.begin().await.unwrap();
        set(&mut first, "first").await;
        let second = tokio::spawn({
            let db = db.clone();
            async move { drop(db.begin().await.unwrap()) }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        tokio::time::timeout(Duration::from_secs(5), first.commit()).await.unwrap().unwrap();
        assert_eq!(count(&db).await, 1);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_that_is_cancelled_while_waiting_blocks_nobody() {
        let (_directory, db) = database().await;
        let mut first = db.begin().await.unwrap();
        set(&mut first, "first").await;
        for _ in 0..10 {
            let _ = tokio::time::timeout(Duration::from_millis(1), db.begin()).await;
        }
        first.commit().await.unwrap();
        let mut next = db.begin().await.unwrap();
        set(&mut next, "next").await;
        next.commit().await.unwrap();
        assert_eq!(count(&db).await, 2);
    }

    #[tokio::test]
    async fn when_the_engine_rolls_back_nobody_in_the_group_is_told_that_it_was_written() {
        let (_directory, db) = database().await;
        let mut first = db.begin().await.unwrap();
        set(&mut first, "first").await;
        let second = tokio::spawn({
            let db = db.clone();
            async move {
                let mut tx = db.begin().await.unwrap();
                // What SQLite does by itself when the disk is full.
                tx.query("ROLLBACK").execute().await.unwrap();
                tx.commit().await
            }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(first.commit().await.is_err());
        assert!(second.await.unwrap().is_err());
        assert_eq!(count(&db).await, 0);
        let mut after = db.begin().await.unwrap();
        set(&mut after, "after").await;
        after.commit().await.unwrap();
        assert_eq!(count(&db).await, 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_does_not_wait_for_a_queue_of_rollbacks_to_end() {
        let (_directory, db) = database().await;
        let others: Vec<_> = (0..40)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    loop {
                        drop(db.begin().await.unwrap());
                    }
                })
            })
            .collect();
        for n in 0..20 {
            let written = async {
                let mut tx = db.begin().await.unwrap();
                set(&mut tx, &format!("kept {n}")).await;
                tx.commit().await.unwrap();
            };
            tokio::time::timeout(Duration::from_secs(2), written).await.expect("a commit in time");
        }
        others.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(count(&db).await, 20);
    }
}
