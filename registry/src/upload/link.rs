//! From the bytes of a finished session to a blob that is linked in a repository.

use roadstead_auth::Grant;
use roadstead_model::{BlobId, Digest, ObjectKey};
use roadstead_storage::Tx;
use roadstead_storage::tables::audit::Event;
use roadstead_storage::tables::blob::{self, State};
use roadstead_storage::tables::tombstone::Grave;
use roadstead_storage::tables::upload::at_once::{self, Finished};
use roadstead_storage::tables::{link, project, upload};

use super::session::Session;
use crate::Registry;
use crate::attempts::Attempts;
use crate::audit::{self, Change};
use crate::error::{Error, Result};

impl Registry {
    /// The object at `key`, one of the session's, becomes the blob's, or, when the blob is there already, goes away.
    pub(super) async fn link_upload(
        &self,
        grant: &Grant,
        session: &Session,
        digest: &Digest,
        size: u64,
        key: &ObjectKey,
    ) -> Result<()> {
        if self.link_at_once(grant, session, (digest, size), key).await? {
            return Ok(());
        }
        let damaged = self.damaged_object_of(digest).await?;
        let mut attempts = Attempts::default();
        loop {
            match self.try_link(grant, session, (digest, size), key, damaged.as_ref()).await {
                // Collected between the two statements; the next attempt inserts it.
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(error) if attempts.may_go_on(&error) => attempts.pause().await,
                Err(error) => return Err(error),
            }
        }
    }

    /// The same in one trip, where the content is new and nothing is in the way.
    async fn link_at_once(
        &self,
        grant: &Grant,
        session: &Session,
        (digest, size): (&Digest, u64),
        key: &ObjectKey,
    ) -> Result<bool> {
        let (now, project) = (self.clock.now(), grant.project());
        let finished = Finished { digest, size, key, lease_until: now.after(self.limits.lease) };
        let resource = format!("{}@{digest}", grant.name());
        let event = Event::of("blob", &resource, "create").in_project(project);
        let trail = (grant.caller().actor(), event);
        let (row, owner) = (&session.row, session.owner);
        Ok(at_once::link(&self.db, row, owner, project, finished, trail, now).await?)
    }

    async fn try_link(
        &self,
        grant: &Grant,
        session: &Session,
        (digest, size): (&Digest, u64),
        key: &ObjectKey,
        damaged: Option<&ObjectKey>,
    ) -> Result<bool> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        project::share(&mut tx, grant.project()).await?;
        let graves = upload::remove(&mut tx, session.row.id, session.owner).await?;
        let graves = graves.ok_or(Error::UploadUnknown)?;
        if !graves.iter().any(|grave| grave.key == *key) {
            // Another writer went on behind the bytes that were to be the blob.
            drop(tx);
            return Err(self.moved(session).await?);
        }
        let Some(id) = self.adopt(&mut tx, digest, size, key, damaged).await? else {
            return Ok(false);
        };
        for grave in graves.into_iter().filter(|grave| grave.key != *key) {
            self.bury(&mut tx, grave).await?;
        }
        let lease = now.after(self.limits.lease);
        let repository = session.owner.repository;
        let warning = link::put(&mut tx, grant.project(), repository, id, lease).await?;
        audit::warn_of_quota(&mut tx, grant, warning, now).await?;
        let which = format!("@{digest}");
        let change = Change { resource_type: "blob", which: &which, operation: "create" };
        audit::record(&mut tx, grant, change, now).await?;
        tx.commit().await?;
        Ok(true)
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
        // Who is to mend it has it alone, so that of two the second finds it mended.
        let existing = match damaged {
            Some(_) => blob::lock(tx, digest).await?,
            None => blob::hold(tx, digest).await?,
        };
        let Some(existing) = existing else {
            return Ok(None);
        };
        if existing.state != State::Ok || damaged == Some(&existing.key) {
            blob::replace_object(tx, existing.id, size, key, now).await?;
            self.bury(tx, Grave::of_blob(&existing.key, digest)).await?;
        } else {
            self.bury(tx, Grave::of_blob(key, digest)).await?;
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
        let damaged = existing.state != State::Ok || found != Some(existing.size);
        Ok(damaged.then_some(existing.key))
    }
}
