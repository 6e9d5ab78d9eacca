//! Bringing back a repository, and keeping something deleted no longer.

use roadstead_auth::Grant;
use roadstead_storage::tables::{deleted, project, repository};

use super::Restored;
use crate::Registry;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::upload::repository_of;

impl Registry {
    /// Brings back what is kept of a deleted repository.
    ///
    /// # Errors
    /// [`Error::NameUnknown`] when it is kept no longer; whatever forbids a push.
    pub async fn restore_repository(&self, grant: &Grant, id: i64) -> Result<Restored> {
        self.blobs.require_space(0).await?;
        let unknown = || Error::NameUnknown(grant.name().to_string());
        let mut conn = self.db.read().await?;
        let found = deleted::find_repository(&mut conn, grant.project(), id).await?;
        let found = found.ok_or_else(unknown)?;
        let artifacts = deleted::of_repository(&mut conn, id).await?;
        drop(conn);
        let mut restored = Restored::default();
        for artifact in artifacts {
            match self.restore_one(grant, artifact, &mut restored).await {
                // Somebody else brings it back, or wants it gone.
                Err(Error::ManifestUnknown(_)) => {}
                result => drop(result?),
            }
        }
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        project::share(&mut tx, grant.project()).await?;
        let there = repository_of(&mut tx, grant, now).await?;
        if !deleted::remove_repository(&mut tx, id).await? {
            return Err(unknown());
        }
        if !found.description.is_empty() {
            repository::set_description(&mut tx, there, &found.description, now).await?;
        }
        let change = Change { resource_type: "repository", which: "", operation: "restore" };
        audit::record(&mut tx, grant, change, now).await?;
        tx.commit().await?;
        Ok(restored)
    }

    /// Keeps a deleted artifact no longer.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`] when it is gone already.
    pub async fn forget_artifact(&self, grant: &Grant, id: i64, digest: &str) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        project::share(&mut tx, grant.project()).await?;
        let found = deleted::release(&mut tx, grant.project(), id).await?;
        let found =
            found.ok_or_else(|| Error::ManifestUnknown(format!("deleted artifact {id}")))?;
        deleted::end(&mut tx, &[found], now).await?;
        let which = format!("@{digest}");
        let change =
            Change { resource_type: "deleted_artifact", which: &which, operation: "delete" };
        audit::record(&mut tx, grant, change, now).await?;
        Ok(tx.commit().await?)
    }
}
