//! The bytes of blobs, under opaque keys: on a disk, or in an object store.
//!
//! This room knows keys and bytes; which digest a key holds is SQL's to know. A key is written
//! once: [`Blobs::stage`] makes it or goes on with it while its session lives, [`Blobs::publish`]
//! makes it durable, and from then on it is only read, until it is deleted.

mod cloud;
mod content_hash;
mod found;
mod layout;
mod local;
mod location;
mod read;
mod stage;

use std::ops::Range;
use std::time::Duration;

use futures_util::stream::BoxStream;
use roadstead_model::{Digest, ObjectKey};

use crate::error::Result;
use crate::tables::tombstone::Grave;
use cloud::Cloud;
use local::Local;

pub use cloud::settings::StoreSettings;
pub use content_hash::ContentHash;
pub use found::{Found, Label};
pub use layout::Layout;
pub use local::Space;
pub(crate) use local::{reserve_of, space_at};
pub use location::Location;
pub use read::BlobStream;
pub use stage::{Session, Staged};

/// The layout that this program reads and writes, as a store says it of itself.
const FORMAT: &str = "roadstead-blobs 1\n";

/// The store of blobs.
// What waits for a network is kept on the heap: every request would carry its room otherwise.
#[derive(Clone)]
pub struct Blobs(Store);

#[derive(Clone)]
enum Store {
    Local(Local),
    Cloud(Cloud),
}

impl Blobs {
    /// Opens a store, making it if it is new.
    ///
    /// # Errors
    /// [`Error::NewerFormat`](crate::Error::NewerFormat) when a newer program wrote it.
    pub async fn open(location: impl Into<Location>) -> Result<Self> {
        Ok(Self(match location.into() {
            Location::Disk(root) => Store::Local(Local::open(root).await?),
            Location::Store(settings) => Store::Cloud(Box::pin(Cloud::open(&settings)).await?),
        }))
    }

    /// Shows that the store can do what is asked of it: an object is written, read and deleted.
    pub async fn probe(&self) -> Result<()> {
        match &self.0 {
            Store::Local(_) => Ok(()),
            Store::Cloud(cloud) => Box::pin(cloud.probe()).await,
        }
    }

    /// Asks the store for a sign of life.
    pub async fn answers(&self) -> Result<()> {
        match &self.0 {
            Store::Local(local) => local.space().await.map(drop),
            Store::Cloud(cloud) => Box::pin(cloud.answers()).await,
        }
    }

    /// What keeps the bytes: `filesystem`, `s3`, `gcs` or `azure`, as Harbor calls them.
    pub fn provider(&self) -> &'static str {
        match &self.0 {
            Store::Local(_) => "filesystem",
            Store::Cloud(cloud) => cloud.provider(),
        }
    }

    /// Whether looking up an object is a request over the network.
    pub fn is_remote(&self) -> bool {
        matches!(self.0, Store::Cloud(_))
    }

    /// A session's key to append to. What stands behind the bytes that were acknowledged is not
    /// trusted; that those are gone ([`Error::Damaged`](crate::Error::Damaged)) is found by the
    /// first that needs them.
    pub fn stage(&self, session: Session<'_>, hash: ContentHash) -> Staged {
        match &self.0 {
            Store::Local(local) => local.stage(session.key, session.received, hash),
            Store::Cloud(cloud) => cloud.stage(session, hash),
        }
    }

    /// Cuts a key that is being written back to its first `offset` bytes, if it is there. In an
    /// object store nothing stands behind what is acknowledged.
    pub async fn cut(&self, key: &ObjectKey, offset: u64) -> Result<()> {
        match &self.0 {
            Store::Local(local) => local.cut(key, offset).await,
            Store::Cloud(_) => Ok(()),
        }
    }

    /// Hashes the first `length` bytes of a key again.
    pub async fn hash(
        &self,
        key: &ObjectKey,
        length: u64,
        hash: ContentHash,
    ) -> Result<ContentHash> {
        match &self.0 {
            Store::Local(local) => local.hash(key, length, hash).await,
            Store::Cloud(cloud) => Box::pin(cloud.hash(key, length, hash)).await,
        }
    }

    /// Makes what is staged durable under its final content and returns the key that has it, which
    /// can be referred to from then on: the session's, or its tail's.
    pub async fn publish(&self, staged: Staged, digest: Option<&Digest>) -> Result<ObjectKey> {
        staged.publish(digest).await
    }

    /// Labels a key with the digest of its bytes, from which a lost database is rebuilt.
    pub async fn label(&self, key: &ObjectKey, digest: &Digest) -> Result<()> {
        match &self.0 {
            Store::Local(local) => local.label(key, digest).await,
            Store::Cloud(cloud) => Box::pin(cloud.label(key, digest)).await,
        }
    }

    /// The length of a key's object in bytes; None when there is none.
    pub async fn size(&self, key: &ObjectKey) -> Result<Option<u64>> {
        match &self.0 {
            Store::Local(local) => local.size(key).await,
            Store::Cloud(cloud) => Box::pin(cloud.size(key)).await,
        }
    }

    /// Opens a key for reading, `first` to begin with. The object must have `size` bytes.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) when it is missing or has another length.
    pub async fn read(&self, key: &ObjectKey, size: u64, first: Range<u64>) -> Result<BlobStream> {
        match &self.0 {
            Store::Local(local) => local.read(key, size).await,
            Store::Cloud(cloud) => {
                Ok(BlobStream::remote(Box::pin(cloud.read(key, size, first)).await?))
            }
        }
    }

    /// Opens a key for somebody who is served, as [`read`](Self::read) does; on a disk it is kept
    /// open for others who come soon.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) when it is missing or has another length.
    pub async fn serve(&self, key: &ObjectKey, size: u64, first: Range<u64>) -> Result<BlobStream> {
        match &self.0 {
            Store::Local(local) => local.serve(key, size).await,
            Store::Cloud(_) => self.read(key, size, first).await,
        }
    }

    /// An address at which anybody can read a key for a while; None where there is none. It is a
    /// secret and belongs in no log.
    pub async fn address(&self, key: &ObjectKey, lifetime: Duration) -> Result<Option<String>> {
        match &self.0 {
            Store::Local(_) => Ok(None),
            Store::Cloud(cloud) => Box::pin(cloud.address(key, lifetime)).await.map(Some),
        }
    }

    /// Deletes objects, durably, with what belongs to them; those that are not there count as
    /// deleted. Returns the keys that could not be deleted.
    pub async fn delete(&self, graves: &[Grave]) -> Result<Vec<ObjectKey>> {
        match &self.0 {
            Store::Local(local) => {
                local.delete(graves.iter().map(|grave| grave.key.clone()).collect()).await
            }
            Store::Cloud(cloud) => Box::pin(cloud.delete(graves)).await,
        }
    }

    /// Everything in the store: objects, and what does not belong there.
    pub fn walk(&self) -> BoxStream<'static, Result<Found>> {
        match &self.0 {
            Store::Local(local) => local.walk(),
            Store::Cloud(cloud) => cloud.walk(),
        }
    }

    /// Every object that was labelled with its digest.
    pub fn labels(&self) -> BoxStream<'static, Result<Label>> {
        match &self.0 {
            Store::Local(local) => local.labels(),
            Store::Cloud(cloud) => cloud.labels(),
        }
    }

    /// The size of the disk and what is free on it, in bytes; None for an object store.
    pub async fn space(&self) -> Result<Option<Space>> {
        match &self.0 {
            Store::Local(local) => local.space().await.map(Some),
            Store::Cloud(_) => Ok(None),
        }
    }

    /// Fails when fewer bytes than the reserve would be left after writing `bytes` more.
    ///
    /// # Errors
    /// [`Error::Full`](crate::Error::Full).
    pub async fn require_space(&self, bytes: u64) -> Result<()> {
        match &self.0 {
            Store::Local(local) => local.require_space(bytes).await,
            Store::Cloud(_) => Ok(()),
        }
    }
}
