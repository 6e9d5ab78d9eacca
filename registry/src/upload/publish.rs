//! From a session's last byte to one durable object whose digest is known.

use roadstead_model::{Digest, ObjectKey};
use roadstead_storage::tables::upload::{self, UNVERIFIED};
use roadstead_storage::{ContentHash, Staged};

use super::session::Session;
use crate::Registry;
use crate::error::{Error, Result};

impl Registry {
    /// Compares the digest, makes the bytes durable, and returns the key that has them.
    pub(super) async fn publish_verified(
        &self,
        session: &Session,
        staged: Staged,
        digest: &Digest,
    ) -> Result<ObjectKey> {
        self.compare_digest(session, digest, staged.hash().clone()).await?;
        self.claim(session, digest.as_str(), "").await?;
        match self.blobs.publish(staged, Some(digest)).await {
            Ok(key) => {
                self.writes.worked();
                Ok(key)
            }
            Err(error) => self.poison(session, error).await,
        }
    }

    /// The same for bytes that were not hashed with the digest's algorithm and cannot be read
    /// before they are an object: the object is made first, and read.
    pub(super) async fn publish_unverified(
        &self,
        session: &Session,
        staged: Staged,
        digest: &Digest,
    ) -> Result<ObjectKey> {
        let size = staged.offset();
        self.claim(session, UNVERIFIED, digest.as_str()).await?;
        let key = match self.blobs.publish(staged, None).await {
            Ok(key) => key,
            Err(error) => return self.poison(session, error).await,
        };
        let hash = ContentHash::new(digest.algorithm());
        let hash = self.blobs.hash(&key, size, hash).await?;
        self.compare_digest(session, digest, hash).await?;
        self.claim(session, digest.as_str(), UNVERIFIED).await?;
        self.blobs.label(&key, digest).await?;
        Ok(key)
    }

    async fn compare_digest(
        &self,
        session: &Session,
        digest: &Digest,
        hash: ContentHash,
    ) -> Result<()> {
        let computed = hash.finish();
        if computed == *digest {
            return Ok(());
        }
        self.abandon(session).await?;
        Err(Error::DigestMismatch { claimed: digest.clone(), computed })
    }

    /// Notes what an object in a store will be before it is made. Of two replicas that finish the
    /// same session with different bytes, one is refused here, and no label is written that no row
    /// knows. On a disk the process's own list of writers is enough, and the label is the file's.
    async fn claim(&self, session: &Session, digest: &str, instead_of: &str) -> Result<()> {
        if !self.blobs.is_remote() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        if upload::claim(&mut tx, &session.row, digest, instead_of).await? {
            return Ok(tx.commit().await?);
        }
        drop(tx);
        match self.moved(session).await? {
            // Other bytes were about to become this object. Nobody knows whether they did.
            Error::OutOfOrder(at) if at.received == session.row.received => {
                self.abandon(session).await?;
                Err(Error::UploadUnknown)
            }
            error => Err(error),
        }
    }
}
