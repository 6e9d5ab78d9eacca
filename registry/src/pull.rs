//! Finding what is to be served.

use roadstead_auth::Grant;
use roadstead_model::{Digest, Reference, RepositoryId};
use roadstead_storage::Error as StorageError;
use roadstead_storage::blobs::BlobStream;
use roadstead_storage::tables::blob::{self, Blob, State};
use roadstead_storage::tables::link;
use roadstead_storage::tables::manifest::{self, Manifest};

use crate::Registry;
use crate::error::{Error, Result};

impl Registry {
    /// The manifest that a reference names; with its bytes, if they are wanted.
    pub(crate) async fn find_manifest(
        &self,
        grant: &Grant,
        reference: &Reference,
        with_bytes: bool,
    ) -> Result<(Manifest, Vec<u8>)> {
        let repository = known(grant)?;
        let mut conn = self.db.read().await?;
        let found = match reference {
            Reference::Tag(tag) => manifest::find_tagged(&mut conn, repository, tag).await?,
            Reference::Digest(digest) => manifest::find(&mut conn, repository, digest).await?,
        };
        let unknown = || Error::ManifestUnknown(reference.to_string());
        let found = found.ok_or_else(unknown)?;
        let bytes = if with_bytes {
            manifest::bytes(&mut conn, found.id).await?.ok_or_else(unknown)?
        } else {
            Vec::new()
        };
        Ok((found, bytes))
    }

    /// The blob, if it is linked in the repository.
    pub(crate) async fn find_blob(&self, grant: &Grant, digest: &Digest) -> Result<Blob> {
        let repository = known(grant)?;
        let mut conn = self.db.read().await?;
        let found = blob::linked(&mut conn, repository, digest).await?;
        found.ok_or_else(|| Error::BlobUnknown(digest.clone()))
    }

    /// The blob, as somebody who may push asks for it: "is it there, so that I need not send
    /// it?" A yes holds for the lease; a damaged blob is answered as missing, so that it is
    /// pushed again and healed.
    pub(crate) async fn find_blob_to_push(&self, grant: &Grant, digest: &Digest) -> Result<Blob> {
        let found = self.find_blob(grant, digest).await?;
        let whole = self.blobs.size(&found.key).await? == Some(found.size);
        if found.state == State::Ok && whole && self.renew_lease(grant, &found).await? {
            Ok(found)
        } else {
            Err(Error::BlobUnknown(digest.clone()))
        }
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

    /// Opens a blob's bytes. A damaged object is noted before the error is returned.
    pub(crate) async fn open_blob(&self, found: &Blob) -> Result<BlobStream> {
        match self.blobs.read(&found.key, found.size).await {
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
