//! Removing a manifest with its tags: what a client's deletion and retention have in common.

use std::time::Duration;

use roadstead_model::{ManifestId, ProjectId, RepositoryId, Timestamp};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::deleted::{self, Deletion, Which};
use roadstead_storage::tables::manifest::{self, standing};
use roadstead_storage::tables::tag_history::{self, Move};
use roadstead_storage::tables::undelete::{self, Keeping};
use roadstead_storage::tables::{gc_queue, held, tag, usage};
use roadstead_storage::{Error, Result, Tx};

/// What is to be removed, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Removal<'a> {
    /// The project, whose row the transaction shares.
    pub project: ProjectId,
    /// Where the manifest is.
    pub repository: RepositoryId,
    /// The repository's whole name.
    pub repository_name: &'a str,
    /// The manifest.
    pub manifest: ManifestId,
    /// Its digest.
    pub digest: &'a str,
    /// Its own length in bytes.
    pub size: i64,
    /// Who removes it, for the audit log.
    pub actor: Actor<'a>,
    /// Why, for the audit log.
    pub reason: &'a str,
    /// How long what refers to it is left alone.
    pub lease: Duration,
    /// How long it can be brought back, unless its project says otherwise.
    pub undelete: Duration,
}

impl<'a> Removal<'a> {
    fn deletion(&self, keeping: Keeping, now: Timestamp) -> Deletion<'a> {
        Deletion {
            project: self.project,
            repository: self.repository_name,
            by: self.actor.name,
            reason: self.reason,
            keeping,
            now,
        }
    }

    fn without<'b>(&'b self, tag: &'b str) -> Move<'b> {
        Move {
            project: self.project,
            repository: self.repository_name,
            tag,
            from: Some(self.digest),
            to: None,
            by: self.actor.name,
        }
    }
}

/// How that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone, with its tags.
    Gone,
    /// It was gone before.
    Missing,
    /// This index holds it, and it stays.
    Held(String),
    /// This tag of it is immutable, and it stays.
    Immutable(String),
}

/// Removes a manifest with its tags, notes it in the audit log, and queues what it held. It is kept
/// for those who want it back as long as its project says. Where it stays nothing is changed.
///
/// # Errors
/// [`Error::Reference`] when something refers to it that was
/// written just now.
pub async fn remove(tx: &mut Tx, removal: &Removal<'_>, now: Timestamp) -> Result<Removed> {
    let id = removal.manifest;
    // From here on nothing new refers to it that would not be seen below.
    if standing::lock(tx, &[id]).await?.is_empty() {
        return Ok(Removed::Missing);
    }
    if let Some(parent) = held::parent_of(tx, id).await? {
        return Ok(Removed::Held(parent));
    }
    if let Some(immutable) = tag::immutable_of(tx, id).await? {
        return Ok(Removed::Immutable(immutable));
    }
    let keeping = undelete::keeping(tx, removal.project, removal.undelete, now).await?;
    let deletion = keeping.map(|keeping| removal.deletion(keeping, now));
    if let Some(deletion) = &deletion {
        deleted::keep(tx, Which::Some(&[id]), deletion).await?;
    }
    // Rules cannot change while the project's row is shared, nor get other tags in here.
    let tags = tag::remove_all_of(tx, id).await?.ok_or(Error::Reference)?;
    for name in &tags {
        if let Some(deletion) = &deletion {
            deleted::keep_tag(tx, name, removal.digest, Some(id.0), deletion).await?;
        }
        tag_history::record(tx, removal.without(name), now).await?;
    }
    let referrers_until = now.after(removal.lease);
    gc_queue::references_of(tx, removal.repository, &[id], now, referrers_until).await?;
    // The foreign key decides, should something have been pushed since the looks above.
    if !manifest::remove(tx, id).await? {
        return Err(Error::Reference);
    }
    if !keeping.is_some_and(|keeping| keeping.counted) {
        usage::add(tx, removal.project, -removal.size).await?;
    }
    let resource = format!("{}@{}", removal.repository_name, removal.digest);
    let event = Event::of("artifact", &resource, "delete").in_project(removal.project);
    audit::record(tx, removal.actor, event.described(removal.reason), now).await?;
    Ok(Removed::Gone)
}
