//! From the bytes of a finished session to a blob that is linked in a repository.

use roadstead_auth::Grant;
use roadstead_model::{BlobId, Digest, ObjectKey};
use roadstead_storage::Tx;
use roadstead_storage::tables::blob::{self, State};
use roadstead_storage::tables::{link, upload};

use super::session::Session;
use crate::Registry;
use crate::audit::{self, Change};
use crate::error::{Error, Result};

impl Registry {
    /// The session's object becomes the blob's, or, when the blob is there already, goes away.
    pub(super) async fn link_upload(
        &self,
        grant: &Grant,
        session: &Session,
        digest: &Digest,
        size: u64,
    ) -> Result<()> {
        let damaged = self.damaged_object_of(digest).await?;
        loop {
            let now = self.clock.now();
            let mut tx = self.db.begin().await?;
            if !upload::remove(&mut tx, session.row.id, session.owner).await? {
                return Err(Error::UploadUnknown);
            }
            let key = &session.row.key;
            let Some(id) = self.adopt(&mut tx, digest, size, key, damaged.as_ref()).await? else {
                // Collected between the two statements; the next round inserts it.
                continue;
            };
            let lease = now.after(self.limits.lease);
            let repository = session.owner.repository;
            let warning = link::put(&mut tx, grant.project(), repository, id, lease).await?;
            audit::warn_of_quota(&mut tx, grant, warning, now).await?;
            let which = format!("@{digest}");
            let change = Change { resource_type: "blob", which: &which, operation: "create" };
            audit::record(&mut tx, grant, change, now).await?;
            return Ok(tx.commit().await?);
        }
    }

    /// The blob's id, with `key` as its object if it has none that is whole.
    async fn adopt(
        &self,
        tx: &mut Tx,
        digest: &Digest,
        size: u64,
        key: &ObjectKey,
        damaged: Option<&ObjectKey>,
    ) -> Result<Option<BlobId>> {
        let now = self.clock.now();
        if let Some(id) = blob::insert(tx, digest, size, key, now).await? {
            return Ok(Some(id));
        }
        let Some(existing) = blob::hold(tx, digest).await? else {
            return Ok(None);
        };
        if existing.state != State::Ok || damaged == Some(&existing.key) {
            blob::replace_object(tx, existing.id, size, key, now).await?;
            self.bury(tx, &existing.key).await?;
        } else {
            self.bury(tx, key).await?;
        }
        Ok(Some(existing.id))
    }

    /// The key of the digest's present object, if that is missing or has another length.
    async fn damaged_object_of(&self, digest: &Digest) -> Result<Option<ObjectKey>> {
        let existing = blob::find(&mut self.db.read().await?, digest).await?;
        let Some(existing) = existing else {
            return Ok(None);
        };
        let found = self.blobs.size(&existing.key).await?;
        Ok((found != Some(existing.size)).then_some(existing.key))
    }
}
