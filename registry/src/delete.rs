//! Deleting tags, manifests and links. What lost a reference is queued for collection.

use roadstead_auth::Grant;
use roadstead_model::{Digest, Reference, RepositoryId, Tag};
use roadstead_storage::tables::tag::{self, Removed};
use roadstead_storage::tables::{blob, gc_queue, held, link, manifest, usage};
use roadstead_storage::{Error as StorageError, Tx};

use crate::Registry;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::pull::known;

impl Registry {
    /// Deletes a tag (and only the tag), or a manifest with every tag that names it.
    pub(crate) async fn delete_manifest(&self, grant: &Grant, reference: &Reference) -> Result<()> {
        let repository = known(grant)?;
        let mut tx = self.db.begin().await?;
        match reference {
            Reference::Tag(name) => self.untag(&mut tx, grant, repository, name).await?,
            Reference::Digest(digest) => {
                self.remove_manifest(&mut tx, grant, repository, digest).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    async fn untag(
        &self,
        tx: &mut Tx,
        grant: &Grant,
        repository: RepositoryId,
        name: &Tag,
    ) -> Result<()> {
        let manifest = match tag::remove(tx, repository, name).await? {
            Removed::Gone(manifest) => manifest,
            Removed::Immutable => return Err(Error::ImmutableDeletion(name.to_string())),
            Removed::Missing => return Err(Error::ManifestUnknown(name.to_string())),
        };
        gc_queue::manifest(tx, repository, manifest, self.clock.now()).await?;
        self.record_deletion(tx, grant, "tag", &format!(":{name}")).await
    }

    async fn remove_manifest(
        &self,
        tx: &mut Tx,
        grant: &Grant,
        repository: RepositoryId,
        digest: &Digest,
    ) -> Result<()> {
        let unknown = || Error::ManifestUnknown(digest.to_string());
        let found = manifest::find(tx, repository, digest).await?.ok_or_else(unknown)?;
        if let Some(parent) = held::parent_of(tx, found.id).await? {
            return Err(Error::ManifestHeld(parent));
        }
        let now = self.clock.now();
        if let Some(immutable) = tag::remove_all_of(tx, found.id).await? {
            return Err(Error::ImmutableDeletion(immutable));
        }
        gc_queue::references_of(tx, repository, found.id, now).await?;
        // The foreign key decides, should an index have been pushed since the look above.
        match manifest::remove(tx, found.id).await {
            Err(StorageError::Reference) => {
                return Err(Error::ManifestHeld("that was pushed just now".to_owned()));
            }
            Ok(false) => return Err(unknown()),
            result => result?,
        };
        let size = i64::try_from(found.size).unwrap_or(i64::MAX);
        usage::add(tx, grant.project(), -size).await?;
        self.record_deletion(tx, grant, "artifact", &format!("@{digest}")).await
    }

    /// Removes a blob's link from the repository. Other repositories keep theirs.
    pub(crate) async fn delete_blob(&self, grant: &Grant, digest: &Digest) -> Result<()> {
        let repository = known(grant)?;
        let mut tx = self.db.begin().await?;
        let found = blob::linked(&mut tx, repository, digest).await?;
        let found = found.ok_or_else(|| Error::BlobUnknown(digest.clone()))?;
        if let Some(holder) = held::holder_of(&mut tx, repository, found.id).await? {
            return Err(Error::BlobHeld(holder));
        }
        match link::remove(&mut tx, grant.project(), repository, found.id).await {
            Err(StorageError::Reference) => {
                return Err(Error::BlobHeld("that was pushed just now".to_owned()));
            }
            Ok(false) => return Err(Error::BlobUnknown(digest.clone())),
            result => result?,
        };
        gc_queue::blob(&mut tx, found.id, self.clock.now()).await?;
        self.record_deletion(&mut tx, grant, "blob", &format!("@{digest}")).await?;
        Ok(tx.commit().await?)
    }

    async fn record_deletion(
        &self,
        tx: &mut Tx,
        grant: &Grant,
        resource_type: &'static str,
        which: &str,
    ) -> Result<()> {
        let change = Change { resource_type, which, operation: "delete" };
        audit::record(tx, grant, change, self.clock.now()).await
    }
}
