//! Bringing back what was deleted: its blobs are linked again, and the kept bytes are published as
//! a client would push them, what an index names before it and what belongs to an artifact after it.
//!
//! Each artifact comes back in a transaction of its own, with which it is no longer kept. So what
//! is cut off, or refused in the middle, goes on when it is asked for again.

use roadstead_auth::Grant;
use roadstead_model::{Digest, ManifestId, RepositoryId, Tag, Timestamp};
use roadstead_storage::Tx;
use roadstead_storage::tables::deleted::{self, Kept};
use roadstead_storage::tables::immutable_rule::{self, Rule};
use roadstead_storage::tables::tag::{self as rows, NewTag};
use roadstead_storage::tables::{gc_queue, link, manifest, project, usage};

use crate::Registry;
use crate::attempts::Attempts;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::push::protects;
use crate::upload::repository_of;
use crate::{events, history};

mod repository;
mod tag;

/// How many accessories of one artifact are brought back.
const MOST_ACCESSORIES: i64 = 1000;

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many artifacts, with those that an index names and those that belong to one.
    pub artifacts: usize,
    /// Their tags.
    pub tags: Vec<String>,
    /// Tags that somebody else has made meanwhile; they name what they name.
    pub taken: Vec<String>,
}

impl Registry {
    /// Brings back a deleted artifact with its tags and labels, with what it names and with what
    /// belongs to it.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`] when it is kept no longer; whatever forbids a push.
    pub async fn restore_artifact(&self, grant: &Grant, id: i64) -> Result<Restored> {
        // What is left on a full disk is for deletes.
        self.blobs.require_space(0).await?;
        let mut restored = Restored::default();
        let mut waiting = vec![id];
        while let Some(next) = waiting.pop() {
            let digest = Box::pin(self.restore_tree(grant, next, &mut restored)).await?;
            let (project, name) = (grant.project(), grant.name().as_str());
            let mut conn = self.db.read().await?;
            let most = MOST_ACCESSORIES;
            waiting.extend(deleted::belonging_to(&mut conn, project, name, &digest, most).await?);
        }
        Ok(restored)
    }

    /// An index after what it names; returns its digest.
    async fn restore_tree(
        &self,
        grant: &Grant,
        id: i64,
        restored: &mut Restored,
    ) -> Result<String> {
        for child in self.children_to_restore(grant, id).await? {
            Box::pin(self.restore_tree(grant, child, restored)).await?;
        }
        self.restore_one(grant, id, restored).await
    }

    /// The kept artifacts that a kept index names and that are not there.
    async fn children_to_restore(&self, grant: &Grant, id: i64) -> Result<Vec<i64>> {
        let (project, name) = (grant.project(), grant.name().as_str());
        let mut conn = self.db.read().await?;
        let mut found = Vec::new();
        for child in deleted::children_of(&mut conn, id).await? {
            let (Ok(digest), repository) = (child.parse(), grant.repository()) else {
                continue;
            };
            let there = match repository {
                Some(repository) => manifest::find(&mut conn, repository, &digest).await?.is_some(),
                None => false,
            };
            if !there {
                found.extend(deleted::newest_artifact(&mut conn, project, name, &child).await?);
            }
        }
        Ok(found)
    }

    async fn restore_one(&self, grant: &Grant, id: i64, restored: &mut Restored) -> Result<String> {
        let mut attempts = Attempts::default();
        loop {
            let mut these = Restored::default();
            match Box::pin(self.try_restore(grant, id, &mut these)).await {
                Err(error) if attempts.may_go_on(&error) || attempts.may_look_again(&error) => {
                    attempts.pause().await;
                }
                result => {
                    restored.artifacts += these.artifacts;
                    restored.tags.append(&mut these.tags);
                    restored.taken.append(&mut these.taken);
                    return result;
                }
            }
        }
    }

    async fn try_restore(&self, grant: &Grant, id: i64, restored: &mut Restored) -> Result<String> {
        let (project, now) = (grant.project(), self.clock.now());
        let mut tx = self.db.begin().await?;
        let rules = immutable_rule::in_force(&mut tx, project).await?;
        project::share(&mut tx, project).await?;
        let unknown = || Error::ManifestUnknown(format!("deleted artifact {id}"));
        let kept = deleted::take_artifact(&mut tx, project, id).await?.ok_or_else(unknown)?;
        let repository = repository_of(&mut tx, grant, now).await?;
        let tags = deleted::tags_of(&mut tx, &[id]).await?.remove(&id).unwrap_or_default();
        let tags: Vec<Tag> = tags.iter().filter_map(|name| name.parse().ok()).collect();
        let labels = deleted::labels_of(&mut tx, id).await?;
        self.link_again(&mut tx, grant, repository, id, now).await?;
        let (there, digest) =
            self.publish_again(&mut tx, grant, repository, &kept, &tags, now).await?;
        deleted::put_labels(&mut tx, there, &labels).await?;
        let mut made = Vec::new();
        for tag in tags {
            let place = (repository, there);
            if tag_absent(&mut tx, grant, &rules, place, &tag, &digest, now).await? {
                made.push(tag);
            } else {
                restored.taken.push(tag.to_string());
            }
        }
        if made.is_empty() {
            // An index that names it may follow.
            let lease_until = Some(now.after(self.limits.lease));
            gc_queue::manifest(&mut tx, repository, there, now, lease_until).await?;
        } else {
            gc_queue::manifests_held(&mut tx, repository, [there]).await?;
        }
        events::pushed(&mut tx, grant, &digest, &made, now).await?;
        record(&mut tx, grant, &digest, &made, now).await?;
        tx.commit().await?;
        restored.artifacts += 1;
        restored.tags.extend(made.iter().map(Tag::to_string));
        Ok(kept.digest)
    }

    /// Links what a kept artifact holds, which from then on is not kept.
    async fn link_again(
        &self,
        tx: &mut Tx,
        grant: &Grant,
        repository: RepositoryId,
        id: i64,
        now: Timestamp,
    ) -> Result<()> {
        let lease = now.after(self.limits.lease);
        for blob in deleted::blobs_of(tx, id).await? {
            let warning = link::put(tx, grant.project(), repository, blob, lease).await?;
            audit::warn_of_quota(tx, grant, warning, now).await?;
        }
        if let Some(ended) = deleted::release(tx, grant.project(), id).await? {
            deleted::end(tx, &[ended], now).await?;
        }
        Ok(())
    }

    async fn publish_again(
        &self,
        tx: &mut Tx,
        grant: &Grant,
        repository: RepositoryId,
        kept: &Kept,
        tags: &[Tag],
        now: Timestamp,
    ) -> Result<(ManifestId, Digest)> {
        let unknown = |_| Error::ManifestUnknown(kept.digest.clone());
        let digest: Digest = kept.digest.parse().map_err(unknown)?;
        let read = Manifest::parse(&kept.media_type, &kept.bytes, self.limits.manifest_entries)
            .map_err(Error::ManifestInvalid)?;
        let signed = read.signs(tags);
        let content = (kept.bytes.as_slice(), signed.as_deref());
        let (there, created) = self.publish(tx, repository, &digest, &read, content, now).await?;
        if created {
            let size = i64::try_from(kept.bytes.len()).unwrap_or(i64::MAX);
            let warning = usage::add(tx, grant.project(), size).await?;
            audit::warn_of_quota(tx, grant, warning, now).await?;
        }
        Ok((there, digest))
    }
}

/// Makes a tag unless there is one of its name; says whether it did.
async fn tag_absent(
    tx: &mut Tx,
    grant: &Grant,
    rules: &[Rule],
    (repository, manifest): (RepositoryId, ManifestId),
    name: &Tag,
    digest: &Digest,
    now: Timestamp,
) -> Result<bool> {
    let immutable = protects(rules, grant, name);
    let new = NewTag { name, manifest, immutable, strict: false };
    if !rows::insert(tx, repository, new, now).await? {
        return Ok(false);
    }
    history::moved(tx, grant, name, [None, Some(digest.as_str())], now).await?;
    Ok(true)
}

async fn record(
    tx: &mut Tx,
    grant: &Grant,
    digest: &Digest,
    tags: &[Tag],
    now: Timestamp,
) -> Result<()> {
    let tags: Vec<String> = tags.iter().map(|tag| format!(":{tag}")).collect();
    let which = format!("{}@{digest}", tags.concat());
    let change = Change { resource_type: "artifact", which: &which, operation: "restore" };
    audit::record(tx, grant, change, now).await
}
