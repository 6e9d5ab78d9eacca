//! What was deleted and can be brought back: the end of its time, and what is taken along with it.

use std::collections::HashMap;
use std::time::Instant;

use roadstead_model::{ManifestId, ProjectId, Timestamp};
use roadstead_storage::tables::deleted::{self, Deletion, Which};
use roadstead_storage::tables::manifest::standing::Standing;
use roadstead_storage::tables::tag_history;
use roadstead_storage::tables::undelete::{self, Keeping};
use roadstead_storage::{Result, Tx};

use super::journal::gone;
use super::piece::Piece;
use super::tally::{Outcome, count};
use super::{Sweep, Tally};

/// How many deleted artifacts end at once at most. Some hold a thousand blobs.
pub(super) const ENDING: usize = 50;
/// How many rows of history are forgotten at once at most.
pub(super) const HISTORY: usize = 500;

impl Sweep {
    /// What is kept until then ends now. On a disk that is nearly full that is everything: room for
    /// what is pushed is worth more than what was deleted.
    pub(super) async fn ends_before(&self) -> Timestamp {
        let nearly_full = self.worker.blobs.require_space(0).await.is_err();
        if self.forget || nearly_full { Timestamp(i64::MAX) } else { self.worker.clock.now() }
    }

    pub(super) async fn end_deleted(&self, piece: &mut Piece) -> Result<usize> {
        let before = self.ends_before().await;
        let now = self.worker.clock.now();
        let mut tx = self.worker.background.begin().await?;
        let since = Instant::now();
        tx.give_way().await?;
        let size = count(piece.size());
        let ended = deleted::due(&mut tx, before, size).await?;
        deleted::end(&mut tx, &ended, now).await?;
        let names = deleted::forget_names(&mut tx, before, size).await?;
        piece.learn(ended.len(), since.elapsed());
        tx.commit().await?;
        let bytes = ended.iter().map(|artifact| artifact.size).sum();
        let tally = Tally { deleted: count(ended.len()), bytes, ..Tally::default() };
        let lines = ended.iter().filter(|_| self.tells());
        let lines = lines.map(|artifact| of_manifest(&artifact.digest, &artifact.repository));
        self.note(Outcome { tally, gone: lines.collect() });
        Ok(ended.len() + usize::try_from(names).unwrap_or(usize::MAX))
    }

    /// Until when the history of tags is forgotten now.
    pub(super) fn forgotten_before(&self) -> Option<Timestamp> {
        let age = self.worker.policy.tag_history?;
        let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        Some(Timestamp(self.worker.clock.now().0.saturating_sub(age)))
    }

    pub(super) async fn forget_history(&self, piece: &mut Piece) -> Result<usize> {
        let Some(before) = self.forgotten_before() else {
            return Ok(0);
        };
        let mut tx = self.worker.background.begin().await?;
        let since = Instant::now();
        let gone = tag_history::forget(&mut tx, before, count(piece.size())).await?;
        let gone = usize::try_from(gone).unwrap_or(usize::MAX);
        piece.learn(gone, since.elapsed());
        tx.commit().await?;
        Ok(gone)
    }
}

/// A line of the log for a manifest that is gone for ever.
pub(super) fn of_manifest(digest: &str, repository: &str) -> String {
    gone(&format!("{digest} (a manifest of {repository})"))
}

/// Who deletes what is collected, and why.
pub(super) const SYSTEM: &str = "system";
pub(super) const REASON: &str = "collected: nothing refers to it";

pub(super) fn of_collection(manifest: &Standing, keeping: Keeping, now: Timestamp) -> Deletion<'_> {
    Deletion {
        project: manifest.project,
        repository: &manifest.repository_name,
        by: SYSTEM,
        reason: REASON,
        keeping,
        now,
    }
}

/// What [`keep_needed`] kept.
#[derive(Default)]
pub(super) struct Needed {
    pub(super) ids: HashMap<ManifestId, Keeping>,
    pub(super) bytes: i64,
    /// Those of the bytes that count in the quota still.
    pub(super) counted: i64,
}

/// Keeps those of the manifests of a repository, all of which are about to go, that something
/// deleted needs to be brought back, as long as that can be.
pub(super) async fn keep_needed(
    tx: &mut Tx,
    project: ProjectId,
    manifests: &[&Standing],
    now: Timestamp,
) -> Result<Needed> {
    let ids: Vec<ManifestId> = manifests.iter().map(|manifest| manifest.id).collect();
    let needed: HashMap<ManifestId, Timestamp> = deleted::needed(tx, &ids).await?;
    if needed.is_empty() {
        return Ok(Needed::default());
    }
    let counted = undelete::find(tx, project).await?.counted;
    let mut kept = Needed::default();
    for manifest in manifests {
        let Some(until) = needed.get(&manifest.id) else {
            continue;
        };
        let keeping = Keeping { until: *until, counted };
        let deletion = of_collection(manifest, keeping, now);
        deleted::keep(tx, Which::Some(&[manifest.id]), &deletion).await?;
        kept.ids.insert(manifest.id, keeping);
        kept.bytes += manifest.size;
        kept.counted += if counted { manifest.size } else { 0 };
    }
    Ok(kept)
}
