//! Batches that wait for the writer, and the thread that runs them one after the other.
//!
//! It has a connection of its own, which it writes with while it has the right to, and a commit
//! that those share who came while the last one was under way.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Group, LARGEST_GROUP, LONGEST_WAIT, Writer, told};
use crate::batch::Batch;
use crate::db::SQLITE_BUSY;
use crate::error::{Error, Result};

/// How many statements are kept prepared; all there are.
const PREPARED: usize = 64;

struct Waiting {
    batch: Batch,
    caller: oneshot::Sender<Result<bool>>,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the thread, which begins with the first batch and ends with the writer.
    thread: OnceLock<Sender<()>>,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Waiting>,
    /// Whether the thread takes them out.
    led: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the caller is the one who has to see that it is taken out again.
    fn push(&self, waiting: Waiting) -> bool {
        let mut state = self.state();
        state.batches.push_back(waiting);
        !std::mem::replace(&mut state.led, true)
    }

    fn next(&self) -> Option<Waiting> {
        self.state().batches.pop_front()
    }

    /// Whether there is nothing more to do, in which case the next one to push has to see to it.
    fn ends(&self) -> bool {
        let mut state = self.state();
        state.led = !state.batches.is_empty();
        !state.led
    }
}

impl Writer {
    /// Runs a batch, with what waits beside it; returns whether it did something, once that is
    /// durable. It runs whatever becomes of the caller.
    pub(crate) async fn at_once(self: &Arc<Self>, batch: Batch) -> Result<bool> {
        let (caller, answer) = oneshot::channel();
        if self.queue.push(Waiting { batch, caller }) {
            let thread = self.queue.thread.get_or_init(|| self.start_thread());
            if thread.send(()).is_err() {
                // It did not start: whoever waits is told that there is nobody.
                self.queue.state().batches.clear();
                self.queue.ends();
            }
        }
        answer.await.map_err(|_| Error::Batch("the writer stopped".to_owned()))?
    }

    fn start_thread(self: &Arc<Self>) -> Sender<()> {
        let (sender, calls) = mpsc::channel();
        let writer = Arc::downgrade(self);
        let (calls, runtime) = (Some(calls), Handle::current());
        let desk = Desk { writer, calls, connection: None, runtime };
        let thread = std::thread::Builder::new().name("batches".to_owned());
        if let Err(error) = thread.spawn(move || desk.serve()) {
            tracing::error!(%error, "the thread that writes batches does not start");
        }
        sender
    }

    fn refuse_queued(&self, error: &Error) {
        while let Some(waiting) = self.queue.next() {
            // A caller that has gone away needs no answer.
            let _ = waiting.caller.send(Err(told(error)));
        }
    }
}

/// What the thread has.
struct Desk {
    writer: Weak<Writer>,
    /// None at the very end.
    calls: Option<Receiver<()>>,
    /// None before the first batch, and after a failure.
    connection: Option<Connection>,
    runtime: Handle,
}

impl Desk {
    fn serve(mut self) {
        while self.calls.as_ref().is_some_and(|calls| calls.recv().is_ok()) {
            let Some(writer) = self.writer.upgrade() else {
                return;
            };
            loop {
                let since = Instant::now();
                writer.waiting.fetch_add(1, Ordering::SeqCst);
                let mut group = writer.group.clone().blocking_lock_owned();
                writer.waiting.fetch_sub(1, Ordering::SeqCst);
                self.take_turn(&writer, &mut group, since);
                drop(group);
                if writer.queue.ends() {
                    break;
                }
            }
        }
    }

    fn take_turn(&mut self, writer: &Writer, group: &mut Group, since: Instant) {
        if let Err(error) = group.share_refusal(since) {
            return writer.refuse_queued(&error);
        }
        if group.open {
            // What transactions have left to the next one.
            self.runtime.block_on(group.flush());
        }
        match self.begin(writer) {
            Ok(connection) => {
                if let Err(error) = run_queued(writer, group, connection) {
                    tracing::error!(%error, "a group of writes failed");
                    // Closing rolls back what is open.
                    self.connection = None;
                }
            }
            // Nobody waits for the next attempt: those who come now may be luckier.
            Err(error) => {
                tracing::error!(%error, "no batch can be written");
                group.refused = Some((Instant::now(), told(&error)));
                self.connection = None;
                writer.refuse_queued(&error);
            }
        }
    }

    /// The connection, in a transaction.
    fn begin(&mut self, writer: &Writer) -> Result<&Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(writer).map_err(|error| meaning(&error))?,
        };
        let connection = self.connection.insert(connection);
        run(connection, "BEGIN IMMEDIATE").map_err(|error| meaning(&error))?;
        Ok(connection)
    }
}

impl Drop for Desk {
    /// However the thread ends, nobody waits for it: who is there is told, and who comes finds
    /// that it takes no calls.
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(writer) = self.writer.upgrade() {
            writer.queue.state().batches.clear();
            writer.queue.ends();
        }
    }
}

/// The same settings as the other connections have; the journal's mode is the file's.
fn connect(writer: &Writer) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(writer.options.get_filename(), flags)?;
    connection.busy_timeout(SQLITE_BUSY)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(connection)
}

/// Runs what waits, commits it, and tells everybody.
fn run_queued(writer: &Writer, group: &Group, connection: &Connection) -> Result<()> {
    let (since, mut done, mut ran) = (Instant::now(), Vec::new(), Ok(()));
    while ran.is_ok()
        && done.len() < LARGEST_GROUP
        && since.elapsed() < LONGEST_WAIT
        && let Some(Waiting { batch, caller }) = writer.queue.next()
    {
        let result = batch.run(connection);
        done.push((caller, matches!(result, Ok(true)), batch.touched()));
        ran = result.map(drop);
    }
    let outcome = ran.and_then(|()| run(connection, "COMMIT"));
    let outcome = outcome.map_err(|error| meaning(&error));
    for (caller, did, touched) in done {
        // After a failure it is not known whether it was written.
        touched.committed(&group.generations);
        let answer = match &outcome {
            Ok(()) => Ok(did),
            Err(error) => Err(told(error)),
        };
        // A caller that has gone away needs no answer.
        let _ = caller.send(answer);
    }
    outcome
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

fn meaning(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full("the database"),
        _ => Error::Batch(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_a_thread_that_has_ended() {
        let options = SqliteConnectOptions::new().in_memory(true);
        let connection = options.connect().await.unwrap();
        let writer = Writer::new(options, connection, crate::remembered::Generations::default());
        let (sender, calls) = mpsc::channel();
        writer.queue.thread.set(sender).unwrap();
        let runtime = Handle::current();
        let (calls, weak) = (Some(calls), Arc::downgrade(&writer));
        let desk = Desk { writer: weak, calls, connection: None, runtime };
        let (before, ended) = tokio::join!(writer.at_once(Batch::new("SELECT 1;")), async {
            drop(desk);
            writer.at_once(Batch::new("SELECT 1;")).await
        });
        assert!(before.is_err() && ended.is_err());
    }
}
