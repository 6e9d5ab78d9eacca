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
use roadstead_storage::tables::{binding, gc_queue, held, link, usage};
use roadstead_storage::{Error as StorageError, Tx};

use crate::Registry;
use crate::audit::{self, Change};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, Named};
use crate::upload::repository_of;

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
        for tag in push.tags {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        if tags.len() > self.limits.tags_per_push {
            return Err(Error::TooManyTags(self.limits.tags_per_push));
        }
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let repository = repository_of(&mut tx, grant, now).await?;
        let rules = match tags.len() {
            0 => Vec::new(),
            _ => immutable_rule::in_force(&mut tx, grant.project()).await?,
        };
        let (id, created) =
            self.publish(&mut tx, repository, &digest, &read, &push.bytes, now).await?;
        let mut changed = created;
        if created {
            let size = i64::try_from(push.bytes.len()).unwrap_or(i64::MAX);
            let warning = usage::add(&mut tx, grant.project(), size).await?;
            audit::warn_of_quota(&mut tx, grant, warning, now).await?;
        }
        for tag in &tags {
            let new = NewTag {
                name: tag,
                manifest: id,
                immutable: protects(&rules, grant, tag),
                strict: self.limits.strict_immutability,
            };
            changed |= set_tag(&mut tx, repository, new, &push.condition, now).await?;
        }
        if changed {
            record(&mut tx, grant, &digest, &tags, now).await?;
        }
        tx.commit().await?;
        Ok(Pushed { digest, subject: read.subject, tags })
    }

    /// The row of a manifest, made unless it is there; says whether it was made.
    async fn publish(
        &self,
        tx: &mut Tx,
        repository: RepositoryId,
        digest: &Digest,
        read: &Manifest,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<(ManifestId, bool)> {
        if let Some(known) = rows::find(tx, repository, digest).await? {
            return if known.media_type == read.media_type {
                Ok((known.id, false))
            } else {
                Err(Error::ManifestInvalid(format!(
                    "the same bytes were pushed before as {}",
                    known.media_type
                )))
            };
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
        };
        let Some(id) = rows::insert(tx, repository, new, now).await? else {
            // Two pushes of the same manifest at once: the other one made the row.
            let other = rows::find(tx, repository, digest).await?;
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
                child.size
            } else if let Some(blob) = blobs.get(&named.digest) {
                resolved.blobs.insert(blob.id);
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

/// Writes the rows that keep what a manifest names from being collected.
async fn hold(
    tx: &mut Tx,
    repository: RepositoryId,
    id: ManifestId,
    resolved: &Resolved,
) -> Result<()> {
    let blobs = held::hold_blobs(tx, repository, id, resolved.blobs.iter().copied()).await?;
    let children = held::hold_children(tx, id, resolved.children.iter().copied()).await?;
    let counts = (blobs, children);
    if counts != (resolved.blobs.len() as u64, resolved.children.len() as u64) {
        // Collected since it was resolved; the client's next attempt is told what is missing.
        return Err(StorageError::Reference.into());
    }
    for named in &resolved.missing {
        held::note_missing(tx, repository, id, &named.digest, named.size).await?;
    }
    Ok(())
}

fn protects(rules: &[Rule], grant: &Grant, tag: &Tag) -> bool {
    let below = binding::below_project(grant.name().as_str());
    rules.iter().any(|rule| rule.protects(below, tag.as_str()))
}

/// Lets a tag name a manifest; says whether that is a change.
async fn set_tag(
    tx: &mut Tx,
    repository: RepositoryId,
    new: NewTag<'_>,
    condition: &Condition,
    now: Timestamp,
) -> Result<bool> {
    let before = rows::find_tagged(tx, repository, new.name).await?;
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
        return Ok(false);
    }
    if !tag::put(tx, repository, new, now).await? {
        return Err(Error::Immutable(new.name.clone()));
    }
    if same {
        return Ok(false);
    }
    if let Some(before) = before {
        gc_queue::manifest(tx, repository, before.id, now).await?;
    }
    Ok(true)
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
