//! The writing end of an upload: batches of its body wait for a thread that writes and hashes them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use roadstead_storage::{Error as StorageError, Staged};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::receive::Room;
use crate::error::Result;

/// How many batches wait for the one that is being written: so many that the thread finds one
/// whenever it is ready, though who receives them has to be woken first. With that one, and what
/// is being received, this bounds the memory of an upload.
const WAITING: usize = 2;

/// The key, either at hand or on a thread that writes to it.
pub(super) struct Pen {
    idle: Option<Box<Staged>>,
    writing: Option<JoinHandle<roadstead_storage::Result<Staged>>>,
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// A batch was taken out, or the thread has ended.
    taken: Notify,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Vec<Bytes>>,
    /// Whether somebody takes them out.
    is_served: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Vec<Bytes>> {
        let mut state = self.state();
        let batch = state.batches.pop_front();
        state.is_served = batch.is_some();
        self.taken.notify_one();
        batch
    }

    /// Gives the batch back when nobody would take it out.
    async fn push(&self, batch: Vec<Bytes>) -> Option<Vec<Bytes>> {
        loop {
            {
                let mut state = self.state();
                if !state.is_served {
                    return Some(batch);
                }
                if state.batches.len() < WAITING {
                    state.batches.push_back(batch);
                    return None;
                }
            }
            self.taken.notified().await;
        }
    }
}

/// Tells who waits that nothing is taken out any more, however that came.
struct Served(Arc<Queue>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.state().is_served = false;
        self.0.taken.notify_one();
    }
}

impl Pen {
    pub(super) fn new(staged: Staged) -> Self {
        Self { idle: Some(Box::new(staged)), writing: None, queue: Arc::default() }
    }

    /// Waits until everything is written.
    pub(super) async fn put_down(&mut self) -> Result<Box<Staged>> {
        if let Some(task) = self.writing.take() {
            self.idle = Some(Box::new(task.await??));
        }
        let broken = || std::io::Error::other("an earlier write failed");
        let missing = || StorageError::Io { what: "write a blob".to_owned(), source: broken() };
        Ok(self.idle.take().ok_or_else(missing)?)
    }

    /// Has a batch written behind those before it, some time later.
    pub(super) async fn write(&mut self, room: &Room, batch: Vec<Bytes>) -> Result<()> {
        let Some(batch) = self.queue.push(batch).await else {
            return Ok(());
        };
        let mut staged = self.put_down().await?;
        let bytes = batch.iter().map(Bytes::len).sum();
        if staged.outgrows_an_object(bytes) {
            room.begin_multipart(&mut staged).await?;
        }
        if staged.holds(bytes) {
            self.idle = Some(Box::new(staged.write(batch).await?));
        } else if room.blobs.is_remote() {
            // Before each batch may come what has to be noted first.
            self.writing = Some(tokio::spawn(staged.write(batch)));
        } else {
            self.queue.state().is_served = true;
            let (mut first, served) = (Some(batch), Served(self.queue.clone()));
            let next = move || first.take().or_else(|| served.0.next());
            self.writing = Some(tokio::spawn(staged.write_all(next)));
        }
        Ok(())
    }
}
