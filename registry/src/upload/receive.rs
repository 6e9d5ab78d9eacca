//! Moving a request's body into a staged key.

use std::future::Future;

use bytes::Bytes;
use roadstead_model::ProjectId;
use roadstead_storage::tables::usage;
use roadstead_storage::{Blobs, Db, Error as StorageError, Staged};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// How many bytes are handed to a writing thread at once. One such batch is written while the
/// next is received, so this bounds the memory of an upload.
const BATCH: usize = 256 << 10;

/// After how many bytes the free space is looked at again while a body arrives.
const SPACE_CHECK: u64 = 4 << 20;

/// The pieces of a request's body.
pub(crate) trait Bodies: Send {
    /// The next piece; None at the end.
    fn piece(&mut self) -> impl Future<Output = Option<Result<Bytes, Cut>>> + Send;
}

/// How a body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The connection broke.
    Broken,
    /// Nothing came for too long.
    Stalled,
}

impl From<Cut> for Error {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Broken => Self::BodyCut,
            Cut::Stalled => Self::BodyStalled,
        }
    }
}

/// Where bytes go: the disk, and a project with its quota.
pub(crate) struct Room {
    pub(crate) blobs: Blobs,
    /// The project, and how many bytes of the same blob are there before the body.
    pub(crate) quota: Option<(Db, ProjectId, u64)>,
}

impl Room {
    /// Requires that there is room for a body that has, or will have, at least `bytes` bytes.
    async fn require(&self, bytes: u64) -> Result<()> {
        self.blobs.require_space(0).await?;
        if let Some((db, project, before)) = &self.quota {
            let bytes = i64::try_from(before.saturating_add(bytes)).unwrap_or(i64::MAX);
            usage::require_room(&mut db.read().await?, *project, bytes, None).await?;
        }
        Ok(())
    }
}

/// A body, written.
pub(crate) enum Received {
    /// All of it.
    Whole(Staged),
    /// What came before it broke off.
    Cut(Staged, Cut),
}

/// The key, either at hand or on a thread that is writing a batch to it.
struct Pen {
    idle: Option<Box<Staged>>,
    writing: Option<JoinHandle<roadstead_storage::Result<Staged>>>,
}

impl Pen {
    /// Waits for the batch that is being written.
    async fn put_down(&mut self) -> Result<Box<Staged>> {
        if let Some(task) = self.writing.take() {
            self.idle = Some(Box::new(task.await??));
        }
        let broken = || std::io::Error::other("an earlier write failed");
        let missing = || StorageError::Io { what: "write a blob".to_owned(), source: broken() };
        Ok(self.idle.take().ok_or_else(missing)?)
    }

    async fn write(&mut self, batch: Vec<Bytes>) -> Result<()> {
        let staged = self.put_down().await?;
        self.writing = Some(tokio::spawn(staged.write(batch)));
        Ok(())
    }
}

/// Writes a body behind what is staged; with `expected`, exactly that many bytes.
///
/// # Errors
/// [`Error::SizeInvalid`] when the body has another length than expected, and storage's.
pub(crate) async fn receive(
    room: &Room,
    staged: Staged,
    body: impl Bodies,
    expected: Option<u64>,
) -> Result<Received> {
    let mut pen = Pen { idle: Some(Box::new(staged)), writing: None };
    let outcome = pump(room, &mut pen, body, expected).await;
    // Whatever happened, no write may be left running: the next writer's bytes go to its place.
    let staged = pen.put_down().await;
    Ok(match outcome? {
        None => Received::Whole(*staged?),
        Some(cut) => Received::Cut(*staged?, cut),
    })
}

/// Moves the body to the pen; says how it broke off, if it did.
async fn pump(
    room: &Room,
    pen: &mut Pen,
    mut body: impl Bodies,
    expected: Option<u64>,
) -> Result<Option<Cut>> {
    let (mut batch, mut batched, mut total, mut checked) = (Vec::new(), 0, 0_u64, 0_u64);
    let cut = loop {
        match body.piece().await {
            Some(Ok(piece)) => {
                batched += piece.len();
                total += piece.len() as u64;
                batch.push(piece);
            }
            Some(Err(cut)) => break Some(cut),
            None => break None,
        }
        if expected.is_some_and(|expected| total > expected) {
            return Err(wrong_length(total, expected));
        }
        if batched >= BATCH {
            pen.write(std::mem::take(&mut batch)).await?;
            batched = 0;
        }
        if total - checked >= SPACE_CHECK {
            room.require(total).await?;
            checked = total;
        }
    };
    pen.write(batch).await?;
    if cut.is_none() && expected.is_some_and(|expected| total != expected) {
        return Err(wrong_length(total, expected));
    }
    Ok(cut)
}

fn wrong_length(total: u64, expected: Option<u64>) -> Error {
    let expected = expected.unwrap_or_default();
    Error::SizeInvalid(format!("{expected} bytes were announced and {total} arrived"))
}

#[cfg(test)]
mod tests {
    use roadstead_model::{Algorithm, ObjectKey};
    use roadstead_storage::ContentHash;

    use super::*;

    struct Pieces(Vec<Bytes>);

    impl Bodies for Pieces {
        async fn piece(&mut self) -> Option<Result<Bytes, Cut>> {
            (!self.0.is_empty()).then(|| Ok(self.0.remove(0)))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refused_body_leaves_no_write_running_behind_it() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let room = Room { blobs, quota: None };
        let hash = ContentHash::new(Algorithm::Sha256);
        for _ in 0..200 {
            let key = ObjectKey::fresh();
            let staged = room.blobs.stage(&key, 0, hash.clone()).await.unwrap();
            // A batch that is being written while the byte too many arrives.
            let body = Pieces(vec![Bytes::from(vec![1; BATCH]), Bytes::from_static(b"x")]);
            let expected = Some(BATCH as u64);
            let refused = receive(&room, staged, body, expected).await;
            assert!(matches!(refused, Err(Error::SizeInvalid(_))));
            drop(room.blobs.stage(&key, 0, hash.clone()).await.unwrap());
            tokio::task::yield_now().await;
            assert_eq!(room.blobs.size(&key).await.unwrap(), Some(0), "an old write came late");
        }
    }
}
