//! Deleting tags, manifests and links. What lost a reference is queued for collection.

use roadstead_auth::Grant;
use roadstead_model::{Digest, Reference, RepositoryId, Tag, Timestamp};
use roadstead_storage::tables::deleted::{self, Deletion};
use roadstead_storage::tables::{blob, gc_queue, held, link, manifest, project, tag, undelete};
use roadstead_storage::{Error as StorageError, Tx};

use crate::Registry;
use crate::attempts::Attempts;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::events;
use crate::history;
use crate::pull::known;
use crate::removal::{self, Removal, Removed};

impl Registry {
    /// Deletes a tag (and only the tag), or a manifest with every tag that names it.
    pub(crate) async fn delete_manifest(&self, grant: &Grant, reference: &Reference) -> Result<()> {
        let repository = known(grant)?;
        let mut attempts = Attempts::default();
        loop {
            match self.try_delete(grant, repository, reference).await {
                // A tag or an index that was pushed meanwhile names it; that goes, too, or is told.
                Err(error) if attempts.may_go_on(&error) || attempts.may_look_again(&error) => {
                    attempts.pause().await;
                }
                Err(Error::Storage(StorageError::Reference)) => {
                    return Err(Error::ManifestHeld("that was pushed just now".to_owned()));
                }
                result => return result,
            }
        }
    }

    /// Deletes an artifact with every tag that names it.
    pub async fn delete_artifact(&self, grant: &Grant, digest: &str) -> Result<()> {
        let unknown = |_| Error::ManifestUnknown(digest.to_owned());
        let digest: Digest = digest.parse().map_err(unknown)?;
        self.delete_manifest(grant, &Reference::Digest(digest)).await
    }

    /// Deletes a tag; what it names stays.
    pub async fn delete_tag(&self, grant: &Grant, tag: &Tag) -> Result<()> {
        self.delete_manifest(grant, &Reference::Tag(tag.clone())).await
    }

    async fn try_delete(
        &self,
        grant: &Grant,
        repository: RepositoryId,
        reference: &Reference,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        project::share(&mut tx, grant.project()).await?;
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
            tag::Removed::Gone(manifest) => manifest,
            tag::Removed::Immutable => return Err(Error::ImmutableDeletion(name.to_string())),
            tag::Removed::Missing => return Err(Error::ManifestUnknown(name.to_string())),
        };
        let now = self.clock.now();
        gc_queue::manifest(tx, repository, manifest, now, None).await?;
        let digest = manifest::digest(tx, manifest).await?;
        self.keep_tag(tx, grant, name, &digest, now).await?;
        history::moved(tx, grant, name, [Some(&digest), None], now).await?;
        self.record_deletion(tx, grant, "tag", &format!(":{name}")).await
    }

    /// Keeps a tag for those who want it back, as long as its project says.
    async fn keep_tag(
        &self,
        tx: &mut Tx,
        grant: &Grant,
        name: &Tag,
        digest: &str,
        now: Timestamp,
    ) -> Result<()> {
        let project = grant.project();
        let keeping = undelete::keeping(tx, project, self.limits.undelete, now).await?;
        if let Some(keeping) = keeping {
            let (repository, by) = (grant.name().as_str(), grant.caller().actor().name);
            let deletion = Deletion { project, repository, by, reason: "", keeping, now };
            deleted::keep_tag(tx, name.as_str(), digest, None, &deletion).await?;
        }
        Ok(())
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
        let now = self.clock.now();
        events::deleted(tx, grant, repository, Some(found.id), now).await?;
        let name = grant.name().to_string();
        let removal = Removal {
            project: grant.project(),
            repository,
            repository_name: &name,
            manifest: found.id,
            digest: digest.as_str(),
            size: i64::try_from(found.size).unwrap_or(i64::MAX),
            actor: grant.caller().actor(),
            reason: "",
            lease: self.limits.lease,
            undelete: self.limits.undelete,
        };
        match removal::remove(tx, &removal, now).await? {
            Removed::Gone => Ok(()),
            Removed::Missing => Err(unknown()),
            Removed::Held(parent) => Err(Error::ManifestHeld(parent)),
            Removed::Immutable(tag) => Err(Error::ImmutableDeletion(tag)),
        }
    }

    /// Removes a blob's link from the repository. Other repositories keep theirs.
    pub(crate) async fn delete_blob(&self, grant: &Grant, digest: &Digest) -> Result<()> {
        let repository = known(grant)?;
        let mut attempts = Attempts::default();
        loop {
            match self.try_unlink(grant, repository, digest).await {
                Err(error) if attempts.may_go_on(&error) || attempts.may_look_again(&error) => {
                    attempts.pause().await;
                }
                Err(Error::Storage(StorageError::Reference)) => {
                    return Err(Error::BlobHeld("that was pushed just now".to_owned()));
                }
                result => return result,
            }
        }
    }

    async fn try_unlink(
        &self,
        grant: &Grant,
        repository: RepositoryId,
        digest: &Digest,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        project::share(&mut tx, grant.project()).await?;
        let found = blob::linked(&mut tx, repository, digest).await?;
        let found = found.ok_or_else(|| Error::BlobUnknown(digest.clone()))?;
        if let Some(holder) = held::holder_of(&mut tx, repository, found.id).await? {
            return Err(Error::BlobHeld(holder));
        }
        if !link::remove(&mut tx, grant.project(), repository, found.id).await? {
            return Err(Error::BlobUnknown(digest.clone()));
        }
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
