//! Deleting a repository as a whole. What nothing else needs is queued for collection.

use roadstead_auth::Grant;
use roadstead_model::{ProjectId, RepositoryId, Timestamp};
use roadstead_storage::tables::deleted::{self, Deletion, Which};
use roadstead_storage::tables::{
    gc_queue, link, manifest, project, repository, tag, tag_history, undelete, upload, usage,
};
use roadstead_storage::{Error as StorageError, Tx};

use crate::Registry;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::events;
use crate::pull::known;

impl Registry {
    /// Deletes a repository with all that is in it. A push that is going on fails.
    ///
    /// # Errors
    /// [`Error::NameUnknown`]; [`Error::ImmutableDeletion`] when one of its tags is immutable.
    pub async fn delete_repository(&self, grant: &Grant) -> Result<()> {
        let id = known(grant)?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        project::lock(&mut tx, grant.project(), now).await?;
        events::deleted(&mut tx, grant, id, None, now).await?;
        let counted = self.keep_repository(&mut tx, grant, id, now).await?;
        if let Some(immutable) = tag::remove_all_in(&mut tx, id).await? {
            return Err(Error::ImmutableDeletion(immutable));
        }
        let pushed_meanwhile = |error| match error {
            StorageError::Reference => Error::PushedMeanwhile(grant.name().to_string()),
            other => other.into(),
        };
        let bytes = manifest::remove_all_in(&mut tx, id).await.map_err(pushed_meanwhile)?;
        if !counted {
            usage::add(&mut tx, grant.project(), -bytes).await?;
        }
        match self.remove_repository(&mut tx, grant.project(), id, now).await {
            Err(Error::Storage(StorageError::Reference)) => {
                return Err(Error::PushedMeanwhile(grant.name().to_string()));
            }
            Ok(false) => return Err(Error::NameUnknown(grant.name().to_string())),
            result => result?,
        };
        let change = Change { resource_type: "repository", which: "", operation: "delete" };
        audit::record(&mut tx, grant, change, now).await?;
        Ok(tx.commit().await?)
    }

    /// Keeps a repository that is about to be deleted for those who want it back, as long as its
    /// project says; whether it counts in the quota then.
    async fn keep_repository(
        &self,
        tx: &mut Tx,
        grant: &Grant,
        id: RepositoryId,
        now: Timestamp,
    ) -> Result<bool> {
        let (project, by) = (grant.project(), grant.caller().actor().name);
        tag_history::record_removal_of_all(tx, id, by, now).await?;
        let keeping = undelete::keeping(tx, project, self.limits.undelete, now).await?;
        let Some(keeping) = keeping else {
            return Ok(false);
        };
        let repository = grant.name().as_str();
        let deletion = Deletion { project, repository, by, reason: "", keeping, now };
        if let Some(whole) = deleted::keep_repository(tx, id, &deletion).await? {
            deleted::keep(tx, Which::AllIn(id, whole), &deletion).await?;
            deleted::keep_tags_of_repository(tx, id, &deletion).await?;
        }
        Ok(keeping.counted)
    }

    /// Removes a repository without manifests: its open sessions, its links, its row. False when
    /// it is gone already.
    pub(crate) async fn remove_repository(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        id: RepositoryId,
        now: Timestamp,
    ) -> Result<bool> {
        self.sessions.forget();
        for grave in upload::remove_all_in(tx, id).await? {
            self.bury(tx, grave).await?;
        }
        gc_queue::repository(tx, id, now).await?;
        link::remove_all_in(tx, project, id).await?;
        Ok(repository::remove(tx, id).await?)
    }
}
