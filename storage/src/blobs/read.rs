//! Reading a blob in pieces, without stalling the threads that serve others.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::spawn_blocking;

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// Set once a file system has said that it cannot read without waiting.
static NOWAIT_UNSUPPORTED: AtomicBool = AtomicBool::new(false);

/// An open blob. Clones share the file.
#[derive(Clone)]
pub struct BlobStream {
    file: Arc<File>,
    size: u64,
}

impl BlobStream {
    pub(super) fn new(file: File, size: u64) -> Self {
        Self { file: Arc::new(file), size }
    }

    /// The blob's length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next piece at `offset`, at most up to `end`; empty only at `end`.
    ///
    /// Bytes in the page cache are copied right here (`preadv2` with `RWF_NOWAIT`); only a miss
    /// costs a thread of the blocking pool, so a cold disk does not hold up warm requests.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before `end`.
    pub async fn piece(&self, offset: u64, end: u64) -> std::io::Result<Bytes> {
        let wanted = usize::try_from(end.saturating_sub(offset)).unwrap_or(PIECE).min(PIECE);
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = vec![0; wanted];
        let mut filled = self.read_cached(&mut buffer, offset);
        if filled == 0 {
            let file = self.file.clone();
            let read = move || file.read_at(&mut buffer, offset).map(|n| (buffer, n));
            (buffer, filled) = spawn_blocking(read).await.map_err(std::io::Error::other)??;
        }
        if filled == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer.truncate(filled);
        Ok(buffer.into())
    }

    /// How many bytes at `offset` could be had without waiting.
    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> usize {
        if NOWAIT_UNSUPPORTED.load(Ordering::Relaxed) {
            return 0;
        }
        let mut slices = [IoSliceMut::new(buffer)];
        match rustix::io::preadv2(&*self.file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
            Ok(n) => n,
            Err(Errno::OPNOTSUPP) => {
                NOWAIT_UNSUPPORTED.store(true, Ordering::Relaxed);
                0
            }
            // EAGAIN, and whatever the blocking read will report better.
            Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use roadstead_model::{Algorithm, Digest, ObjectKey};

    use crate::{Blobs, ContentHash};

    #[tokio::test]
    async fn what_was_published_is_read_back_and_what_was_not_acknowledged_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let key = ObjectKey::fresh();
        let hash = ContentHash::new(Algorithm::Sha256);
        let first = blobs.stage(&key, 0, hash.clone()).await.unwrap();
        let first = first.write(vec![Bytes::from_static(b"hello ")]).await.unwrap();
        let saved = first.hash().clone();
        let lost = first.write(vec![Bytes::from_static(b"lost when the process died")]).await;
        drop(lost);

        let second = blobs.stage(&key, 6, saved).await.unwrap();
        let second = second.write(vec![Bytes::from_static(b"world")]).await.unwrap();
        let digest = second.hash().clone().finish();
        assert_eq!(digest, Digest::of(Algorithm::Sha256, b"hello world"));
        blobs.publish(&key, second, &digest).await.unwrap();

        let stream = blobs.read(&key, 11).await.unwrap();
        assert_eq!(&stream.piece(0, 11).await.unwrap()[..], b"hello world");
        assert_eq!(&stream.piece(6, 8).await.unwrap()[..], b"wo");
        assert!(stream.piece(11, 11).await.unwrap().is_empty());
        assert!(blobs.read(&key, 12).await.is_err());
        for _ in 0..2 {
            assert!(blobs.delete(vec![key.clone()]).await.unwrap().is_empty());
        }
        assert!(blobs.read(&key, 11).await.is_err());
    }
}
