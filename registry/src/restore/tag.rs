//! Bringing back a single tag.

use roadstead_auth::Grant;
use roadstead_model::{Digest, Tag};
use roadstead_storage::tables::{deleted, gc_queue, immutable_rule, manifest, project};

use super::{Restored, tag_absent};
use crate::Registry;
use crate::attempts::Attempts;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::upload::repository_of;

impl Registry {
    /// Brings back a deleted tag, and what it named if that is deleted, too.
    ///
    /// # Errors
    /// [`Error::TagTaken`]; [`Error::ManifestUnknown`] when the tag, or what it named, is kept no
    /// longer; whatever forbids a push.
    pub async fn restore_tag(&self, grant: &Grant, id: i64) -> Result<Restored> {
        self.blobs.require_space(0).await?;
        let (project, name) = (grant.project(), grant.name().as_str());
        let mut conn = self.db.read().await?;
        let found = deleted::find_tag(&mut conn, project, id).await?;
        let found = found.ok_or_else(|| Error::ManifestUnknown(format!("deleted tag {id}")))?;
        let unknown = |_| Error::ManifestUnknown(found.digest.clone());
        let digest: Digest = found.digest.parse().map_err(unknown)?;
        let tag: Tag =
            found.name.parse().map_err(|_| Error::ManifestUnknown(found.name.clone()))?;
        let stands = match grant.repository() {
            Some(repository) => {
                if manifest::find_tagged(&mut conn, repository, &tag).await?.is_some() {
                    return Err(Error::TagTaken(tag));
                }
                manifest::find(&mut conn, repository, &digest).await?.is_some()
            }
            None => false,
        };
        let kept = match found.artifact {
            Some(artifact) => Some(artifact),
            None => deleted::newest_artifact(&mut conn, project, name, &found.digest).await?,
        };
        drop(conn);
        let mut restored = match kept {
            Some(kept) if !stands => self.restore_artifact(grant, kept).await?,
            _ => Restored::default(),
        };
        // Deleted together with the artifact, it came back with it.
        if !restored.tags.contains(&found.name) {
            self.tag_again(grant, id, &digest, &tag).await?;
            restored.tags.push(found.name);
        }
        Ok(restored)
    }

    /// Makes a deleted tag again, for an artifact that is there.
    async fn tag_again(&self, grant: &Grant, id: i64, digest: &Digest, tag: &Tag) -> Result<()> {
        let mut attempts = Attempts::default();
        loop {
            match self.try_tag_again(grant, id, digest, tag).await {
                Err(error) if attempts.may_go_on(&error) || attempts.may_look_again(&error) => {
                    attempts.pause().await;
                }
                result => return result,
            }
        }
    }

    async fn try_tag_again(
        &self,
        grant: &Grant,
        id: i64,
        digest: &Digest,
        tag: &Tag,
    ) -> Result<()> {
        let (project, now) = (grant.project(), self.clock.now());
        let mut tx = self.db.begin().await?;
        let rules = immutable_rule::in_force(&mut tx, project).await?;
        project::share(&mut tx, project).await?;
        let repository = repository_of(&mut tx, grant, now).await?;
        let unknown = || Error::ManifestUnknown(digest.to_string());
        let there = manifest::hold(&mut tx, repository, digest).await?.ok_or_else(unknown)?;
        let place = (repository, there.id);
        if !tag_absent(&mut tx, grant, &rules, place, tag, digest, now).await? {
            return Err(Error::TagTaken(tag.clone()));
        }
        gc_queue::manifests_held(&mut tx, repository, [there.id]).await?;
        deleted::remove_tag(&mut tx, id).await?;
        let which = format!(":{tag}@{digest}");
        let change = Change { resource_type: "tag", which: &which, operation: "restore" };
        audit::record(&mut tx, grant, change, now).await?;
        Ok(tx.commit().await?)
    }
}
