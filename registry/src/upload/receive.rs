//! Moving a request's body into a staged key.

use std::future::Future;

use bytes::Bytes;
use roadstead_storage::{Blobs, Staged};
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

/// A body, written.
pub(crate) enum Received {
    /// All of it.
    Whole(Staged),
    /// What came before it broke off.
    Cut(Staged, Cut),
}

/// The key, either at hand or on a thread that is writing a batch to it.
enum Pen {
    Idle(Box<Staged>),
    Writing(JoinHandle<roadstead_storage::Result<Staged>>),
}

impl Pen {
    async fn put_down(self) -> Result<Staged> {
        match self {
            Self::Idle(staged) => Ok(*staged),
            Self::Writing(task) => Ok(task.await??),
        }
    }

    async fn write(self, batch: Vec<Bytes>) -> Result<Self> {
        let staged = self.put_down().await?;
        Ok(Self::Writing(tokio::spawn(staged.write(batch))))
    }
}

/// Writes a body behind what is staged; with `expected`, exactly that many bytes.
///
/// # Errors
/// [`Error::SizeInvalid`] when the body has another length than expected, and storage's.
pub(crate) async fn receive(
    blobs: &Blobs,
    staged: Staged,
    mut body: impl Bodies,
    expected: Option<u64>,
) -> Result<Received> {
    let mut pen = Pen::Idle(Box::new(staged));
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
            pen = pen.write(std::mem::take(&mut batch)).await?;
            batched = 0;
        }
        if total - checked >= SPACE_CHECK {
            blobs.require_space(0).await?;
            checked = total;
        }
    };
    let staged = pen.write(batch).await?.put_down().await?;
    match cut {
        Some(cut) => Ok(Received::Cut(staged, cut)),
        None if expected.is_some_and(|expected| total != expected) => {
            Err(wrong_length(total, expected))
        }
        None => Ok(Received::Whole(staged)),
    }
}

fn wrong_length(total: u64, expected: Option<u64>) -> Error {
    let expected = expected.unwrap_or_default();
    Error::SizeInvalid(format!("{expected} bytes were announced and {total} arrived"))
}
