//! Publishing a manifest: read strictly, then one transaction.

use std::collections::BTreeSet;

use bytes::Bytes;
use roadstead_auth::Grant;
use roadstead_model::{
    Algorithm, BlobId, Digest, ManifestId, Reference, RepositoryId, Tag, Timestamp,
};
use roadstead_storage::tables::immutable_rule::{self, Rule};
use roadstead_storage::tables::manifest::{self as rows, NewManifest};
use roadstead_storage::tables::tag::{self, NewTag};
use roadstead_storage::tables::{artifact, binding, gc_queue, held, link, usage};
use roadstead_storage::{Error as StorageError, Tx};

use crate::Registry;
use crate::attempts::Attempts;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::events;
use crate::history;
use crate::manifest::{Manifest, Named};
use crate::upload::repository_of;

mod hold;

use hold::hold;

/// What a tag must name before it is written (RFC 9110, section 13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Anything, or nothing.
    #[default]
    Always,
    /// Nothing yet: `If-None-Match: *`.
    Absent,
    /// Something: `If-Match: *`.
    Present,
    /// One of these digests: `If-Match: "sha256:..."`.
    Names(Vec<String>),
}

/// A manifest as a client sends it.
pub(crate) struct Push {
    pub(crate) reference: Reference,
    /// More tags, from the query.
    pub(crate) tags: Vec<Tag>,
    pub(crate) condition: Condition,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
}

/// What was published.
pub(crate) struct Pushed {
    pub(crate) digest: Digest,
    pub(crate) subject: Option<Digest>,
    pub(crate) tags: Vec<Tag>,
}

/// What a manifest names, found in its repository.
#[derive(Default)]
struct Resolved {
    blobs: BTreeSet<BlobId>,
    children: BTreeSet<ManifestId>,
    /// Allowed to be missing.
    missing: Vec<Named>,
    depth: i64,
    /// The bytes of all that it names and of what that names.
    size: i64,
}

impl Registry {
    /// Publishes a manifest, and lets its tags name it. The same push again changes nothing.
    pub(crate) async fn push_manifest(&self, grant: &Grant, push: Push) -> Result<Pushed> {
        let digest = claimed_digest(&push)?;
        let read = Manifest::parse(&push.content_type, &push.bytes, self.limits.manifest_entries)
            .map_err(Error::ManifestInvalid)?;
        let mut tags: Vec<Tag> = Vec::new();
        if let Reference::Tag(tag) = &push.reference {
            tags.push(tag.clone());
        }
        for tag in &push.tags {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        if tags.len() > self.limits.tags_per_push {
            return Err(Error::TooManyTags(self.limits.tags_per_push));
        }
        // What is left on a full disk is for deletes.
        self.blobs.require_space(0).await?;
        let mut attempts = Attempts::default();
        loop {
            match Box::pin(self.write_manifest(grant, &digest, &read, &push, &tags)).await {
                // What it names, or the manifest itself, went away since it was looked up.
                Err(error) if attempts.may_go_on(&error) || attempts.may_look_again(&error) => {
                    attempts.pause().await;
                }
                result => {
                    return result.map(|()| Pushed { digest, subject: read.subject, tags });
                }
            }
        }
    }

    async fn write_manifest(
        &self,
        grant: &Grant,
        digest: &Digest,
        read: &Manifest,
        push: &Push,
        tags: &[Tag],
    ) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let rules = immutable_rule::in_force(&mut tx, grant.project()).await?;
        let repository = repository_of(&mut tx, grant, now).await?;
        let signed = read.signs(tags);
        let content = (push.bytes.as_ref(), signed.as_deref());
        let (id, created) = self.publish(&mut tx, repository, digest, read, content, now).await?;
        let mut changed = created;
        // In order, so that two pushes do not wait for each other in a circle.
        let mut in_order: Vec<&Tag> = tags.iter().collect();
        in_order.sort_unstable_by_key(|tag| tag.as_str());
        for tag in in_order {
            let new = NewTag {
                name: tag,
                manifest: id,
                immutable: protects(&rules, grant, tag),
                strict: self.limits.strict_immutability,
            };
            let set = set_tag(&mut tx, repository, new, &push.condition, now).await?;
            if let Some(before) = set {
                let moved = [before.as_ref().map(Digest::as_str), Some(digest.as_str())];
                history::moved(&mut tx, grant, tag, moved, now).await?;
                changed = true;
            }
        }
        if tags.is_empty() {
            // An index that names it may follow.
            let lease_until = Some(now.after(self.limits.lease));
            gc_queue::manifest(&mut tx, repository, id, now, lease_until).await?;
        } else {
            gc_queue::manifests_held(&mut tx, repository, [id]).await?;
        }
        if created {
            let size = i64::try_from(push.bytes.len()).unwrap_or(i64::MAX);
            let warning = usage::add(&mut tx, grant.project(), size).await?;
            audit::warn_of_quota(&mut tx, grant, warning, now).await?;
        }
        events::pushed(&mut tx, grant, digest, tags, now).await?;
        if changed {
            record(&mut tx, grant, digest, tags, now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The row of a manifest, made unless it is there; says whether it was made.
    pub(crate) async fn publish(
        &self,
        tx: &mut Tx,
        repository: RepositoryId,
        digest: &Digest,
        read: &Manifest,
        (bytes, signed): (&[u8], Option<&str>),
        now: Timestamp,
    ) -> Result<(ManifestId, bool)> {
        if let Some(known) = rows::hold(tx, repository, digest).await? {
            return if known.media_type == read.media_type {
                if signed.is_some() {
                    artifact::attach(tx, known.id, read.facts(signed)).await?;
                }
                Ok((known.id, false))
            } else {
                Err(Error::ManifestInvalid(format!(
                    "the same bytes were pushed before as {}",
                    known.media_type
                )))
            };
        }
        if let Some(subject) = &read.subject {
            // Whoever deletes it then sees what refers to it.
            rows::hold(tx, repository, subject).await?;
        }
        let resolved = self.resolve(tx, repository, read).await?;
        let new = NewManifest {
            digest,
            media_type: &read.media_type,
            is_index: read.is_index,
            bytes,
            depth: resolved.depth,
            subject: read.subject.as_ref(),
            artifact_type: read.artifact_type.as_deref(),
            annotations: read.annotations.as_deref(),
            facts: rows::Facts {
                total_size: resolved.size.saturating_add_unsigned(bytes.len() as u64),
                ..read.facts(signed)
            },
        };
        let Some(id) = rows::insert(tx, repository, new, now).await? else {
            // Two pushes of the same manifest at once: the other one made the row.
            let other = rows::hold(tx, repository, digest).await?;
            let id = other.ok_or(StorageError::Conflict)?.id;
            return Ok((id, false));
        };
        hold(tx, repository, id, &resolved).await?;
        held::adopt(tx, repository, id, digest, bytes.len() as u64).await?;
        Ok((id, true))
    }

    /// Finds what a manifest names in its repository: knowing a digest is not enough.
    async fn resolve(
        &self,
        tx: &mut Tx,
        repository: RepositoryId,
        read: &Manifest,
    ) -> Result<Resolved> {
        let digests = || read.names.iter().map(|named| &named.digest);
        let blobs = link::resolve(tx, repository, digests()).await?;
        let manifests = if read.is_index {
            rows::resolve(tx, repository, digests()).await?
        } else {
            std::collections::HashMap::default()
        };
        let sparse =
            if read.is_index { self.limits.sparse_indexes } else { self.limits.sparse_images };
        let (mut resolved, mut unknown) = (Resolved::default(), Vec::new());
        for named in &read.names {
            let size = if let Some(child) = manifests.get(&named.digest) {
                resolved.children.insert(child.id);
                resolved.depth = resolved.depth.max(child.depth + 1);
                resolved.size = resolved.size.saturating_add(child.total_size);
                child.size
            } else if let Some(blob) = blobs.get(&named.digest) {
                resolved.blobs.insert(blob.id);
                let size = i64::try_from(blob.size).unwrap_or(i64::MAX);
                resolved.size = resolved.size.saturating_add(size);
                blob.size
            } else {
                let list =
                    if named.optional || sparse { &mut resolved.missing } else { &mut unknown };
                list.push(named.clone());
                continue;
            };
            if size != named.size {
                return Err(Error::ManifestInvalid(format!(
                    "the size of {} is {size} bytes, not {}",
                    named.digest, named.size
                )));
            }
        }
        if !unknown.is_empty() {
            let digests = unknown.into_iter().map(|named| named.digest).collect();
            return Err(Error::ReferencesMissing(digests));
        }
        if resolved.depth > self.limits.manifest_depth {
            let most = self.limits.manifest_depth;
            return Err(Error::ManifestInvalid(format!("more than {most} levels of indexes")));
        }
        Ok(resolved)
    }
}

/// The digest the manifest will be known by: the one in the path, or SHA-256 for a tag.
fn claimed_digest(push: &Push) -> Result<Digest> {
    let Reference::Digest(claimed) = &push.reference else {
        return Ok(Digest::of(Algorithm::Sha256, &push.bytes));
    };
    let computed = Digest::of(claimed.algorithm(), &push.bytes);
    if computed == *claimed {
        Ok(computed)
    } else {
        Err(Error::DigestMismatch { claimed: claimed.clone(), computed })
    }
}

pub(crate) fn protects(rules: &[Rule], grant: &Grant, tag: &Tag) -> bool {
    let below = binding::below_project(grant.name().as_str());
    rules.iter().any(|rule| rule.protects(below, tag.as_str()))
}

/// Lets a tag name a manifest; None when that is no change, else what it named before, if it was
/// there.
async fn set_tag(
    tx: &mut Tx,
    repository: RepositoryId,
    new: NewTag<'_>,
    condition: &Condition,
    now: Timestamp,
) -> Result<Option<Option<Digest>>> {
    let before = rows::find_tagged_to_write(tx, repository, new.name).await?;
    let met = match (condition, &before) {
        (Condition::Always, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => true,
        (Condition::Names(digests), Some(before)) => {
            digests.iter().any(|digest| digest == before.digest.as_str())
        }
        _ => false,
    };
    if !met {
        return Err(Error::Precondition(new.name.clone()));
    }
    let same = before.as_ref().is_some_and(|before| before.id == new.manifest);
    if same && !new.strict {
        return Ok(None);
    }
    let Some(before) = before else {
        // Somebody else may make it meanwhile; what it names then has to fit the condition.
        return if tag::insert(tx, repository, new, now).await? {
            Ok(Some(None))
        } else {
            Box::pin(set_tag(tx, repository, new, condition, now)).await
        };
    };
    if !tag::put(tx, repository, new, now).await? {
        return Err(Error::Immutable(new.name.clone()));
    }
    if same {
        return Ok(None);
    }
    gc_queue::manifest(tx, repository, before.id, now, None).await?;
    Ok(Some(Some(before.digest)))
}

async fn record(
    tx: &mut Tx,
    grant: &Grant,
    digest: &Digest,
    tags: &[Tag],
    now: Timestamp,
) -> Result<()> {
    let mut which = String::new();
    for tag in tags {
        which.push_str(&format!(":{tag}"));
    }
    which.push_str(&format!("@{digest}"));
    let change = Change { resource_type: "artifact", which: &which, operation: "create" };
    audit::record(tx, grant, change, now).await
}
