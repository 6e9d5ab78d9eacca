//! Moving a request's body into a staged key.

use std::future::Future;

use bytes::Bytes;
use roadstead_model::{ProjectId, UploadId};
use roadstead_storage::tables::{upload, usage};
use roadstead_storage::{Blobs, Db, Staged};

use super::pen::Pen;
use crate::error::{Error, Result};

/// How many bytes are handed to a writing thread at once.
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

/// Where bytes go: the store, and a project with its quota.
pub(crate) struct Room {
    pub(crate) blobs: Blobs,
    /// Where a multipart upload that is begun is noted.
    pub(crate) row: Option<(Db, UploadId)>,
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

    /// Begins a multipart upload, and has it in the session's row before a part is sent.
    pub(super) async fn begin_multipart(&self, staged: &mut Staged) -> Result<()> {
        let (multipart, part_size) = staged.begin_multipart().await?;
        let Some((db, upload)) = &self.row else {
            staged.use_multipart(multipart, part_size).await;
            return Ok(());
        };
        let mut tx = db.begin().await?;
        let noted = upload::note_multipart(&mut tx, *upload, &multipart, part_size).await?;
        tx.commit().await?;
        let (multipart, part_size) = noted.ok_or(Error::UploadUnknown)?;
        staged.use_multipart(multipart, part_size).await;
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
    let capacity = staged.capacity().saturating_sub(staged.offset());
    let mut pen = Pen::new(staged);
    let outcome = pump(room, &mut pen, body, expected, capacity).await;
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
    capacity: u64,
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
        if total > capacity {
            let what = "the store takes no more parts; announce the length, or send less";
            return Err(Error::SizeInvalid(what.to_owned()));
        }
        if batched >= BATCH {
            pen.write(room, std::mem::take(&mut batch)).await?;
            batched = 0;
        }
        if total - checked >= SPACE_CHECK {
            room.require(total).await?;
            checked = total;
        }
    };
    pen.write(room, batch).await?;
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
    use roadstead_storage::blobs::{Layout, Session};

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
        let room = Room { blobs, row: None, quota: None };
        let (hash, layout) = (ContentHash::new(Algorithm::Sha256), Layout::default());
        for _ in 0..200 {
            let key = ObjectKey::fresh();
            let session = Session { key: &key, received: 0, layout: &layout, expected: None };
            let staged = room.blobs.stage(session, hash.clone());
            // A batch that is being written while the byte too many arrives.
            let body = Pieces(vec![Bytes::from(vec![1; BATCH]), Bytes::from_static(b"x")]);
            let expected = Some(BATCH as u64);
            let refused = receive(&room, staged, body, expected).await;
            assert!(matches!(refused, Err(Error::SizeInvalid(_))));
            room.blobs.stage(session, hash.clone()).flush(None).await.unwrap();
            tokio::task::yield_now().await;
            assert_eq!(room.blobs.size(&key).await.unwrap(), Some(0), "an old write came late");
        }
    }
}
