//! Reading a blob in pieces.

use bytes::Bytes;

use super::cloud::Reader;
use super::local::Reading;

/// An open blob.
pub struct BlobStream {
    source: Source,
    size: u64,
}

enum Source {
    File(Reading),
    Remote(Box<Reader>),
}

impl BlobStream {
    pub(super) fn file(reading: Reading, size: u64) -> Self {
        Self { source: Source::File(reading), size }
    }

    pub(super) fn remote(reader: Reader) -> Self {
        let size = reader.size();
        Self { source: Source::Remote(Box::new(reader)), size }
    }

    /// The blob's length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Lets pieces be windows of the page cache, where an object was opened with
    /// [`serve`](crate::Blobs::serve) and is in memory.
    ///
    /// Whoever asks for it gives the pieces to `write` on a file or a socket, and looks at none of
    /// their bytes: where the disk cannot give a page, that call fails, but a look at it would kill
    /// the process.
    pub fn for_the_kernel(mut self) -> Self {
        if let Source::File(reading) = &mut self.source {
            reading.in_windows(self.size);
        }
        self
    }

    /// The next piece at `offset`, at most up to `end`; empty only at `end`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the object ends before `end`.
    pub async fn piece(&mut self, offset: u64, end: u64) -> std::io::Result<Bytes> {
        match &mut self.source {
            Source::File(reading) => reading.piece(offset, end).await,
            Source::Remote(reader) => Box::pin(reader.piece(offset, end)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use roadstead_model::{Algorithm, Digest, ObjectKey};

    use crate::blobs::{Layout, Session};
    use crate::tables::tombstone::Grave;
    use crate::{Blobs, ContentHash};

    #[tokio::test]
    async fn what_was_published_is_read_back_and_what_was_not_acknowledged_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        let key = ObjectKey::fresh();
        let hash = ContentHash::new(Algorithm::Sha256);
        let layout = Layout::default();
        let session = |received| Session { key: &key, received, layout: &layout, expected: None };
        let first = blobs.stage(session(0), hash.clone());
        let first = first.write(vec![Bytes::from_static(b"hello ")]).await.unwrap();
        let first = first.flush(None).await.unwrap();
        let saved = first.hash().clone();
        // More than is held in memory.
        let lost = first.write(vec![Bytes::from(vec![b'l'; 1 << 20])]).await;
        drop(lost);
        assert_eq!(blobs.size(&key).await.unwrap(), Some(6 + (1 << 20)));

        let second = blobs.stage(session(6), saved);
        let second = second.write(vec![Bytes::from_static(b"world")]).await.unwrap();
        let digest = second.hash().clone().finish();
        assert_eq!(digest, Digest::of(Algorithm::Sha256, b"hello world"));
        assert_eq!(blobs.publish(second, Some(&digest)).await.unwrap(), key);

        let mut stream = blobs.read(&key, 11, 0..11).await.unwrap();
        assert_eq!(&stream.piece(0, 11).await.unwrap()[..], b"hello world");
        assert_eq!(&stream.piece(6, 8).await.unwrap()[..], b"wo");
        assert!(stream.piece(11, 11).await.unwrap().is_empty());
        assert!(blobs.read(&key, 12, 0..12).await.is_err());
        for _ in 0..2 {
            assert!(blobs.delete(&[Grave::from(&key)]).await.unwrap().is_empty());
        }
        assert!(blobs.read(&key, 11, 0..11).await.is_err());
    }
}
