//! A key that is being written.

use bytes::Bytes;
use roadstead_model::{Digest, ObjectKey};

use super::cloud::Sending;
use super::content_hash::ContentHash;
use super::layout::Layout;
use super::local::Appending;
use crate::error::Result;

/// What a session's row knows of its bytes, and what is to come.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Where the bytes go.
    pub key: &'a ObjectKey,
    /// How many are durable.
    pub received: u64,
    /// Where they are in an object store.
    pub layout: &'a Layout,
    /// How many more are announced.
    pub expected: Option<u64>,
}

/// An open key, with how far it is written and the hash up to there.
pub struct Staged(Kind);

enum Kind {
    File(Box<Appending>),
    Remote(Box<Sending>),
}

impl Staged {
    pub(super) fn file(file: Appending) -> Self {
        Self(Kind::File(Box::new(file)))
    }

    pub(super) fn remote(sending: Sending) -> Self {
        Self(Kind::Remote(Box::new(sending)))
    }

    /// How many bytes are written.
    pub fn offset(&self) -> u64 {
        match &self.0 {
            Kind::File(file) => file.offset(),
            Kind::Remote(sending) => sending.offset(),
        }
    }

    /// The hash of the bytes written.
    pub fn hash(&self) -> &ContentHash {
        match &self.0 {
            Kind::File(file) => file.hash(),
            Kind::Remote(sending) => sending.hash(),
        }
    }

    /// Whether a multipart upload must be begun, and noted, before `more` bytes are written.
    pub fn outgrows_an_object(&self, more: usize) -> bool {
        match &self.0 {
            Kind::File(_) => false,
            Kind::Remote(sending) => sending.outgrows_an_object(more),
        }
    }

    /// Begins a multipart upload; returns its name at the store, and the size of its parts.
    pub async fn begin_multipart(&mut self) -> Result<(String, u64)> {
        match &mut self.0 {
            Kind::File(_) => Ok((String::new(), 0)),
            Kind::Remote(sending) => Box::pin(sending.begin_multipart()).await,
        }
    }

    /// The multipart upload that was noted for the session: the one begun here, or that of a
    /// writer who was first, in which case the one begun here is given up.
    pub async fn use_multipart(&mut self, multipart: String, part_size: u64) {
        if let Kind::Remote(sending) = &mut self.0 {
            Box::pin(sending.use_multipart(multipart, part_size)).await;
        }
    }

    /// The most bytes that the key can take.
    pub fn capacity(&self) -> u64 {
        match &self.0 {
            Kind::File(_) => u64::MAX,
            Kind::Remote(sending) => sending.capacity(),
        }
    }

    /// Whether so many bytes more are written without waiting for anything.
    pub fn holds(&self, more: usize) -> bool {
        match &self.0 {
            Kind::File(file) => file.holds(more),
            Kind::Remote(_) => false,
        }
    }

    /// The bytes of the key, when all of them are in memory still.
    pub fn held(&self) -> Option<&[Bytes]> {
        match &self.0 {
            Kind::File(file) => file.all_held(),
            Kind::Remote(_) => None,
        }
    }

    /// Writes and hashes `chunks` behind what there is. On an error the key is not usable any more
    /// until it is staged again from its last durable offset.
    pub async fn write(self, chunks: Vec<Bytes>) -> Result<Self> {
        Ok(Self(match self.0 {
            Kind::File(file) => Kind::File(Box::new(file.write(chunks).await?)),
            Kind::Remote(sending) => Kind::Remote(Box::new(Box::pin(sending.write(chunks)).await?)),
        }))
    }

    /// The same with batch after batch, until there is none.
    pub async fn write_all(
        self,
        mut next: impl FnMut() -> Option<Vec<Bytes>> + Send + 'static,
    ) -> Result<Self> {
        match self.0 {
            Kind::File(file) => Ok(Self(Kind::File(Box::new(file.write_all(next).await?)))),
            Kind::Remote(mut sending) => {
                while let Some(chunks) = next() {
                    sending = Box::new(Box::pin(sending.write(chunks)).await?);
                }
                Ok(Self(Kind::Remote(sending)))
            }
        }
    }

    /// Whether a key must be registered for what does not fill a part, before the bytes are made
    /// durable.
    pub fn needs_tail(&self) -> bool {
        match &self.0 {
            Kind::File(_) => false,
            Kind::Remote(sending) => sending.needs_tail(),
        }
    }

    /// Makes the bytes written so far durable; what does not fill a part at the key `tail`.
    pub async fn flush(self, tail: Option<&ObjectKey>) -> Result<Self> {
        Ok(Self(match self.0 {
            Kind::File(file) => Kind::File(Box::new(file.flush().await?)),
            Kind::Remote(sending) => Kind::Remote(Box::new(Box::pin(sending.flush(tail)).await?)),
        }))
    }

    /// Where the bytes are in an object store, once they are durable.
    pub fn layout(&self) -> Layout {
        match &self.0 {
            Kind::File(_) => Layout::default(),
            Kind::Remote(sending) => sending.layout().clone(),
        }
    }

    pub(super) async fn publish(self, digest: Option<&Digest>) -> Result<ObjectKey> {
        match self.0 {
            Kind::File(file) => file.publish(digest.cloned()).await,
            Kind::Remote(sending) => Box::pin(sending.publish(digest)).await,
        }
    }
}
