//! Manifests that nothing keeps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use roadstead_model::{ManifestId, Origin, RepositoryId, Timestamp};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::gc_queue::{self, Entry, Kind, PARKED};
use roadstead_storage::tables::manifest::standing::{self, Standing};
use roadstead_storage::tables::tag_history::{self, Move};
use roadstead_storage::tables::{deleted, tag, usage};
use roadstead_storage::{Error, Result, Tx};

use super::batch::Rows;
use super::deleted::{Needed, REASON, SYSTEM, keep_needed, of_collection, of_manifest};
use super::piece::Piece;
use super::policy::Verdict;
use super::tally::{Outcome, count};
use super::{Sweep, Tally};

/// How many manifests are looked at at once at most. Some take a thousand references with them.
pub(super) const MANIFESTS: usize = 20;

impl Sweep {
    /// Looks at everything without a tag, until a whole walk finds nothing to remove: an index that
    /// goes sets its children free.
    pub(super) async fn walk_untagged(&self) -> Result<()> {
        loop {
            let before = self.tally().manifests;
            for kind in [Kind::Referrer, Kind::Manifest] {
                self.walk(kind).await?;
            }
            if self.tally().manifests == before {
                return Ok(());
            }
        }
    }

    async fn walk(&self, kind: Kind) -> Result<()> {
        let (mut last, mut piece) = (None, Piece::up_to(MANIFESTS));
        while self.goes_on().await? {
            let began = std::time::Instant::now();
            let mut conn = self.worker.db.read().await?;
            let size = count(piece.size());
            let entries = gc_queue::walk(&mut conn, kind, last.as_ref(), size).await?;
            drop(conn);
            let Some(end) = entries.last() else {
                break;
            };
            if self.attempt(kind, Rows::Walked(&entries), &mut piece).await?.is_some() {
                last = Some(*end);
            }
            self.worker.pace.rest(entries.len(), began).await;
        }
        Ok(())
    }

    /// Removes what the policy lets go. The manifests are locked first and looked at by a later
    /// statement, which sees every tag, index and referrer that was waited for.
    pub(super) async fn judge_manifests(
        &self,
        tx: &mut Tx,
        kind: Kind,
        entries: &[Entry],
    ) -> Result<Outcome> {
        let now = self.worker.clock.now();
        let policy = &self.worker.policy;
        let ids: Vec<_> = entries.iter().map(|entry| ManifestId(entry.target)).collect();
        let locked = standing::lock(tx, &ids).await?;
        let found = standing::of(tx, &locked).await?;
        let found: HashMap<i64, Standing> = found.into_iter().map(|m| (m.id.0, m)).collect();
        let (mut kept, mut going, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            let Some(manifest) = found.get(&entry.target) else {
                kept.push(*entry);
                continue;
            };
            match policy.judge(kind, self.mode, entry, manifest, now) {
                Verdict::Keep => kept.push(*entry),
                Verdict::Later(at) => later.push((*entry, at)),
                Verdict::Park => later.push((*entry, PARKED)),
                Verdict::GoUnlessNew => {
                    let keep = policy.untagged.keep;
                    if standing::among_newest(tx, manifest, keep, now).await? {
                        later.push((*entry, PARKED));
                    } else {
                        going.push(manifest);
                    }
                }
                Verdict::Go => going.push(manifest),
            }
        }
        gc_queue::remove(tx, kind, &kept).await?;
        self.put_off(tx, kind, &later, now).await?;
        self.remove(tx, &going, now).await
    }

    /// What stays among the newest may push out older ones that were kept so far.
    async fn put_off(
        &self,
        tx: &mut Tx,
        kind: Kind,
        later: &[(Entry, Timestamp)],
        now: Timestamp,
    ) -> Result<()> {
        for (entry, until) in later {
            // A walk comes by before the time; then nothing changes.
            if entry.not_before != *until {
                gc_queue::defer(tx, kind, entry, *until).await?;
            }
        }
        let untagged = self.worker.policy.untagged;
        if untagged.keep > 0 && untagged.after.is_some() && kind == Kind::Manifest {
            let repositories: BTreeSet<_> =
                later.iter().map(|(entry, _)| entry.repository).collect();
            for repository in repositories {
                gc_queue::wake_beyond(tx, repository, untagged.keep, now).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, tx: &mut Tx, going: &[&Standing], now: Timestamp) -> Result<Outcome> {
        let mut sorted: BTreeMap<RepositoryId, Vec<&Standing>> = BTreeMap::new();
        for manifest in going {
            sorted.entry(manifest.repository).or_default().push(manifest);
        }
        let mut outcome = Outcome::default();
        let referrers_until = now.after(self.worker.policy.lease);
        for (repository, manifests) in sorted {
            let ids: Vec<ManifestId> = manifests.iter().map(|manifest| manifest.id).collect();
            let project = manifests[0].project;
            let kept = keep_needed(tx, project, &manifests, now).await?;
            remove_signing_tags(tx, &manifests, &kept, now).await?;
            gc_queue::references_of(tx, repository, &ids, now, referrers_until).await?;
            standing::remove_all(tx, &ids).await?;
            let bytes: i64 = manifests.iter().map(|manifest| manifest.size).sum();
            for manifest in &manifests {
                record(tx, manifest, now).await?;
            }
            usage::add(tx, project, kept.counted - bytes).await?;
            let gone = manifests.iter().filter(|m| !kept.ids.contains_key(&m.id) && self.tells());
            let tally = Tally {
                manifests: count(ids.len()),
                kept: count(kept.ids.len()),
                bytes: bytes - kept.bytes,
                ..Tally::default()
            };
            outcome += Outcome {
                tally,
                gone: gone.map(|m| of_manifest(m.digest.as_str(), &m.repository_name)).collect(),
            };
        }
        Ok(outcome)
    }
}

/// The tags of signatures that go with what they signed.
async fn remove_signing_tags(
    tx: &mut Tx,
    manifests: &[&Standing],
    kept: &Needed,
    now: Timestamp,
) -> Result<()> {
    for manifest in manifests.iter().filter(|manifest| manifest.tagged) {
        let names = tag::remove_all_of(tx, manifest.id).await?.ok_or(Error::Reference)?;
        for name in &names {
            if let Some(keeping) = kept.ids.get(&manifest.id) {
                let deletion = of_collection(manifest, *keeping, now);
                deleted::keep_tag(tx, name, &manifest.digest, Some(manifest.id.0), &deletion)
                    .await?;
            }
            let moved = Move {
                project: manifest.project,
                repository: &manifest.repository_name,
                tag: name,
                from: Some(&manifest.digest),
                to: None,
                by: SYSTEM,
            };
            tag_history::record(tx, moved, now).await?;
        }
    }
    Ok(())
}

/// That a manifest went is an event like any other deletion.
async fn record(tx: &mut Tx, manifest: &Standing, now: Timestamp) -> Result<()> {
    let resource = format!("{}@{}", manifest.repository_name, manifest.digest);
    let origin = Origin::default();
    let actor = Actor { principal: None, name: SYSTEM, origin: &origin };
    let event = Event::of("artifact", &resource, "delete");
    let event = event.in_project(manifest.project).described(REASON);
    audit::record(tx, actor, event, now).await
}
