//! What a collection would do, without doing any of it: the same verdicts, on paper.

use std::collections::{HashMap, HashSet};

use roadstead_model::{BlobId, ManifestId, Timestamp};
use roadstead_storage::tables::deleted;
use roadstead_storage::tables::gc_queue::{self, Entry, Kind};
use roadstead_storage::tables::link::{self, Gone};
use roadstead_storage::tables::manifest::standing::{self, Standing};
use roadstead_storage::tables::upload;
use roadstead_storage::{Conn, Result};

use super::journal::Kept;
use super::policy::Verdict;
use super::tally::count;
use super::{Mode, Sweep, Tally};

/// How many rows are read at once.
const PAGE: i64 = 500;

/// What would be gone.
#[derive(Default)]
struct Paper {
    manifests: HashSet<ManifestId>,
    links: HashSet<Gone>,
    blobs: HashSet<BlobId>,
    /// Deleted artifacts that would be kept no longer.
    deleted: HashSet<i64>,
    /// Manifests that something deleted would need to be brought back.
    wanted: HashSet<ManifestId>,
    /// What those hold.
    needed: HashSet<BlobId>,
    /// What would be left to those that are deleted.
    kept: HashSet<BlobId>,
    tally: Tally,
}

impl Sweep {
    /// What would go if it all ran at once now.
    pub(super) async fn preview(&self) -> Result<(Tally, Kept)> {
        let now = self.worker.clock.now();
        let mut paper = Paper::default();
        let sessions = upload::count_expired(&mut self.worker.db.read().await?, now).await?;
        paper.tally.sessions = sessions;
        self.deleted_on_paper(&mut paper).await?;
        for kind in [Kind::Referrer, Kind::Manifest, Kind::Link, Kind::Blob] {
            let mut last = None;
            while self.goes_on().await? {
                let mut conn = self.worker.db.read().await?;
                let entries = gc_queue::walk(&mut conn, kind, last.as_ref(), PAGE).await?;
                last = entries.last().copied();
                if last.is_none() {
                    break;
                }
                self.judge_on_paper(&mut conn, &mut paper, kind, &entries, now).await?;
            }
        }
        let mut kept = self.kept(&paper.blobs, &paper.kept).await?;
        kept.manifests += paper.tally.kept - paper.tally.deleted;
        Ok((paper.tally, kept))
    }

    /// Deleted artifacts whose time is over.
    async fn deleted_on_paper(&self, paper: &mut Paper) -> Result<()> {
        let (before, mut last) = (self.ends_before().await, 0);
        while self.goes_on().await? {
            let mut conn = self.worker.db.read().await?;
            let ids = deleted::ending(&mut conn, before, last, PAGE).await?;
            let Some((end, _)) = ids.last() else { break };
            last = *end;
            let bytes = ids.iter().map(|(_, size)| size).sum();
            let ids: Vec<i64> = ids.into_iter().map(|(id, _)| id).collect();
            paper.tally += Tally { deleted: count(ids.len()), bytes, ..Tally::default() };
            paper.deleted.extend(&ids);
            let blobs = deleted::held_by(&mut conn, &ids).await?;
            blobs_on_paper(&mut conn, paper, &blobs).await?;
        }
        Ok(())
    }

    async fn judge_on_paper(
        &self,
        conn: &mut Conn,
        paper: &mut Paper,
        kind: Kind,
        entries: &[Entry],
        now: Timestamp,
    ) -> Result<()> {
        let all = self.mode == Mode::AllUntagged && matches!(kind, Kind::Manifest | Kind::Referrer);
        let due = entries.iter().filter(|entry| all || entry.not_before <= now);
        match kind {
            Kind::Manifest | Kind::Referrer => {
                let due: Vec<Entry> = due.copied().collect();
                self.manifests_on_paper(conn, paper, kind, due, now).await
            }
            Kind::Link => {
                let links: Vec<_> =
                    due.map(|entry| (BlobId(entry.target), entry.repository)).collect();
                links_on_paper(conn, paper, &links, now).await
            }
            Kind::Blob => {
                let blobs: Vec<_> = due.map(|entry| BlobId(entry.target)).collect();
                blobs_on_paper(conn, paper, &blobs).await
            }
        }
    }

    /// Manifests that would go, and those that they would set free.
    async fn manifests_on_paper(
        &self,
        conn: &mut Conn,
        paper: &mut Paper,
        kind: Kind,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> Result<()> {
        let mut pending = vec![(kind, entries)];
        while let Some((kind, entries)) = pending.pop() {
            let ids: Vec<_> = entries.iter().map(|entry| ManifestId(entry.target)).collect();
            let found = standing::of(conn, &ids).await?;
            let found: HashMap<i64, Standing> = found.into_iter().map(|m| (m.id.0, m)).collect();
            let mut going = Vec::new();
            for entry in &entries {
                let Some(manifest) = found.get(&entry.target) else { continue };
                let freed = entry.lease_until == FREED;
                let manifest = Standing {
                    held: manifest.held && !freed,
                    refers: manifest.refers && !(freed && kind == Kind::Referrer),
                    ..manifest.clone()
                };
                let verdict = self.worker.policy.judge(kind, self.mode, entry, &manifest, now);
                let keep = self.worker.policy.untagged.keep;
                let goes = match verdict {
                    Verdict::Go => true,
                    Verdict::GoUnlessNew => {
                        !standing::among_newest(conn, &manifest, keep, now).await?
                    }
                    Verdict::Keep | Verdict::Later(_) | Verdict::Park => false,
                };
                if goes && paper.manifests.insert(manifest.id) {
                    going.push((manifest.id, manifest.size));
                }
            }
            if !going.is_empty() {
                self.sizes_on_paper(conn, paper, &going).await?;
                let going: Vec<_> = going.into_iter().map(|(id, _)| id).collect();
                let links = link::held_by(conn, going.iter().copied()).await?;
                links_on_paper(conn, paper, &links, now).await?;
                pending.push((Kind::Manifest, children(conn, paper, &going, now).await?));
                pending.push((Kind::Referrer, referrers(conn, paper, &going, now).await?));
            }
        }
        Ok(())
    }

    /// How many manifests go, and which of them something deleted needs, that is there still when
    /// it is their turn.
    async fn sizes_on_paper(
        &self,
        conn: &mut Conn,
        paper: &mut Paper,
        going: &[(ManifestId, i64)],
    ) -> Result<()> {
        let before = self.ends_before().await;
        let ids: Vec<_> = going.iter().map(|(id, _)| *id).collect();
        let needed = deleted::needed(conn, &ids).await?;
        paper.wanted.extend(needed.into_iter().filter(|(_, until)| *until > before).map(|n| n.0));
        for (id, size) in going {
            let (kept, bytes) = if paper.wanted.contains(id) { (1, 0) } else { (0, *size) };
            paper.tally += Tally { manifests: 1, kept, bytes, ..Tally::default() };
        }
        let wanted = ids.into_iter().filter(|id| paper.wanted.contains(id));
        let needed = link::held_by(conn, wanted).await?;
        paper.needed.extend(needed.into_iter().map(|(blob, _)| blob));
        Ok(())
    }
}

/// Marks what was set free on paper only.
const FREED: Timestamp = Timestamp(i64::MIN);

fn freed(id: ManifestId, now: Timestamp) -> Entry {
    let repository = roadstead_model::RepositoryId(0);
    Entry { target: id.0, repository, since: now, lease_until: FREED, not_before: now }
}

/// Children of which every parent would be gone.
async fn children(
    conn: &mut Conn,
    paper: &mut Paper,
    going: &[ManifestId],
    now: Timestamp,
) -> Result<Vec<Entry>> {
    let mut free: HashMap<ManifestId, bool> = HashMap::new();
    for (child, parent) in standing::children_of(conn, going.iter().copied()).await? {
        if paper.wanted.contains(&parent) {
            paper.wanted.insert(child);
        }
        let gone = paper.manifests.contains(&parent);
        free.entry(child).and_modify(|free| *free &= gone).or_insert(gone);
    }
    Ok(free.into_iter().filter(|(_, free)| *free).map(|(id, _)| freed(id, now)).collect())
}

async fn referrers(
    conn: &mut Conn,
    paper: &mut Paper,
    going: &[ManifestId],
    now: Timestamp,
) -> Result<Vec<Entry>> {
    let wanted: Vec<_> = going.iter().copied().filter(|id| paper.wanted.contains(id)).collect();
    paper.wanted.extend(standing::referrers_of(conn, wanted).await?);
    let found = standing::referrers_of(conn, going.iter().copied()).await?;
    Ok(found.into_iter().map(|id| freed(id, now)).collect())
}

/// Links that nothing would hold.
async fn links_on_paper(
    conn: &mut Conn,
    paper: &mut Paper,
    links: &[(BlobId, roadstead_model::RepositoryId)],
    now: Timestamp,
) -> Result<()> {
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    for links in links.chunks(page) {
        let mut free: HashMap<Gone, bool> = HashMap::new();
        for holder in link::holders(conn, links.iter().copied()).await? {
            let gone = holder.lease_until <= now
                && holder.manifest.is_none_or(|manifest| paper.manifests.contains(&manifest));
            free.entry(holder.link).and_modify(|free| *free &= gone).or_insert(gone);
        }
        let free: Vec<Gone> = free.into_iter().filter(|(_, free)| *free).map(|(l, _)| l).collect();
        let mut blobs = Vec::new();
        for link in free {
            if paper.links.insert(link) {
                paper.tally.links += 1;
                blobs.push(link.blob);
            }
        }
        blobs_on_paper(conn, paper, &blobs).await?;
    }
    Ok(())
}

/// Blobs that nothing would link.
async fn blobs_on_paper(conn: &mut Conn, paper: &mut Paper, blobs: &[BlobId]) -> Result<()> {
    let mut free: HashMap<BlobId, (i64, bool)> = HashMap::new();
    let mut needed = HashSet::new();
    for (blob, size, repository) in link::links_of(conn, blobs.iter().copied()).await? {
        let gone =
            repository.is_none_or(|repository| paper.links.contains(&Gone { repository, blob }));
        free.entry(blob).and_modify(|(_, free)| *free &= gone).or_insert((size, gone));
    }
    for (blob, holder) in deleted::holders_of(conn, blobs.iter().copied()).await? {
        if !paper.deleted.contains(&holder) {
            needed.insert(blob);
        }
    }
    for (blob, (size, free)) in free {
        if free && (needed.contains(&blob) || paper.needed.contains(&blob)) {
            paper.kept.insert(blob);
        } else if free && paper.blobs.insert(blob) {
            paper.tally += Tally { blobs: 1, bytes: size, ..Tally::default() };
        }
    }
    debug_assert_eq!(paper.tally.blobs, count(paper.blobs.len()));
    Ok(())
}
