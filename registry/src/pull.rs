//! Finding what is to be served.

use std::ops::Range;
use std::sync::Arc;

use roadstead_auth::Grant;
use roadstead_model::{Digest, RepositoryId};
use roadstead_storage::Error as StorageError;
use roadstead_storage::blobs::BlobStream;
use roadstead_storage::tables::blob::{self, Blob, State};
use roadstead_storage::tables::link;

use crate::Registry;
use crate::error::{Error, Result};

impl Registry {
    /// The blob, as somebody who may push asks for it: "is it there, so that I need not send
    /// it?" A yes holds for the lease; a damaged blob is answered as missing, so that it is
    /// pushed again and healed.
    pub(crate) async fn find_blob_to_push(
        &self,
        grant: &Grant,
        digest: &Digest,
    ) -> Result<Arc<Blob>> {
        let found = self.find_blob(grant, digest).await?;
        let whole = found.state == State::Ok && self.is_there(&found).await?;
        if whole && self.renew_lease(grant, &found).await? {
            Ok(found)
        } else {
            Err(Error::BlobUnknown(digest.clone()))
        }
    }

    /// Whether a blob's object is there, in its full length. On a disk that costs nothing. In an
    /// object store it is a request for each layer of each push, so it is asked once the blob was
    /// not verified for a while: an object that goes away before that is found by the first pull,
    /// which notes it, and the next push heals it.
    pub(crate) async fn is_there(&self, found: &Blob) -> Result<bool> {
        if self.blobs.is_remote() && !self.wants_verification(found) {
            return Ok(true);
        }
        Ok(self.blobs.size(&found.key).await? == Some(found.size))
    }

    /// Extends the lease unless more than half of it is left; false when the link is gone.
    async fn renew_lease(&self, grant: &Grant, found: &Blob) -> Result<bool> {
        let repository = known(grant)?;
        let now = self.clock.now();
        let lease = link::lease(&mut self.db.read().await?, repository, found.id).await?;
        match lease {
            None => Ok(false),
            Some(until) if until > now.after(self.limits.lease / 2) => Ok(true),
            Some(_) => {
                let mut tx = self.db.begin().await?;
                let until = now.after(self.limits.lease);
                let renewed = link::renew(&mut tx, repository, found.id, until).await?;
                tx.commit().await?;
                Ok(renewed)
            }
        }
    }

    /// Opens a blob's bytes, `first` to begin with. A damaged object is noted before the error is
    /// returned.
    pub(crate) async fn open_blob(&self, found: &Blob, first: Range<u64>) -> Result<BlobStream> {
        match self.blobs.serve(&found.key, found.size, first).await {
            Err(StorageError::Damaged { key, what }) => {
                self.note_state(found, State::Missing).await;
                Err(StorageError::Damaged { key, what }.into())
            }
            result => Ok(result?),
        }
    }

    /// Whether a blob should be hashed while it is served whole.
    pub(crate) fn wants_verification(&self, found: &Blob) -> bool {
        found.state != State::Ok
            || found.verified_at.after(self.limits.verify_after) < self.clock.now()
    }

    /// Notes what a read of a blob found. The reader has its answer already, so trouble here is
    /// only logged.
    pub(crate) async fn note_state(&self, found: &Blob, state: State) {
        if state != State::Ok {
            tracing::error!(digest = %found.digest, key = %found.key, "a blob is damaged");
        }
        let note = async {
            let mut tx = self.db.begin().await?;
            blob::set_state(&mut tx, found.id, &found.key, state, self.clock.now()).await?;
            tx.commit().await
        };
        if let Err(error) = note.await {
            tracing::warn!(%error, digest = %found.digest, "a blob's state could not be noted");
        }
    }
}

/// The repository's row; a repository that nothing was pushed to has none.
pub(crate) fn known(grant: &Grant) -> Result<RepositoryId> {
    grant.repository().ok_or_else(|| Error::NameUnknown(grant.name().to_string()))
}
