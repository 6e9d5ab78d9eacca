//! Deleting what was decided, a few artifacts at a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use roadstead_model::{ManifestId, Origin};
use roadstead_registry::removal::{self, Removal, Removed};
use roadstead_storage::tables::audit::Actor;
use roadstead_storage::tables::manifest::standing;
use roadstead_storage::tables::retention::candidate::{self, Candidate};
use roadstead_storage::tables::retention::task::Task;
use roadstead_storage::tables::retention::verdict::{self, Line, Verdict};
use roadstead_storage::{Error, Result};

use super::{End, Run};

/// How many artifacts one transaction deletes.
const BATCH: i64 = 10;
/// After so long a transaction deletes nothing more, as somebody may wait for it.
const ENOUGH: Duration = Duration::from_millis(10);
/// How often something is tried that somebody else was in the way of.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

impl Run<'_> {
    /// Deletes what waits to be.
    pub(super) async fn delete_all(&self, of: &Task) -> Result<End> {
        loop {
            if self.stop.is_cancelled() {
                return Ok(End::Interrupted);
            }
            let began = Instant::now();
            let mut conn = self.worker.db.read().await?;
            let waiting = verdict::waiting(&mut conn, of.id, BATCH).await?;
            drop(conn);
            if waiting.is_empty() {
                return Ok(End::Done);
            }
            let end = match self.delete(of, &waiting).await {
                Err(error) if is_in_the_way(&error) => self.one_by_one(of, &waiting).await?,
                result => result?,
            };
            if end != End::Done {
                return Ok(end);
            }
            self.worker.pace.rest(waiting.len(), began).await;
        }
    }

    /// The same for artifacts that failed together: who is at one of them does not hold up the
    /// others for ever.
    async fn one_by_one(&self, of: &Task, lines: &[Line]) -> Result<End> {
        for line in lines {
            let mut attempt = 0;
            let end = loop {
                match self.delete(of, std::slice::from_ref(line)).await {
                    Err(error) if is_in_the_way(&error) && attempt < ATTEMPTS => {
                        attempt += 1;
                        tokio::time::sleep(PAUSE * (1 << attempt)).await;
                    }
                    Err(error) if is_in_the_way(&error) => break self.give_up(of, line).await?,
                    result => break result?,
                }
            };
            if end != End::Done {
                return Ok(end);
            }
        }
        Ok(End::Done)
    }

    async fn give_up(&self, of: &Task, line: &Line) -> Result<End> {
        let Some(mut tx) = self.begin().await? else {
            return Ok(End::Elsewhere);
        };
        verdict::set(&mut tx, of.id, line.id, Verdict::Error).await?;
        tx.commit().await?;
        Ok(End::Done)
    }

    /// Deletes some artifacts, the first at least, in one transaction. What was pushed, pulled or tagged since it was
    /// decided about stays: the next execution looks at it anew.
    pub(super) async fn delete(&self, of: &Task, lines: &[Line]) -> Result<End> {
        let Some(mut tx) = self.begin().await? else {
            return Ok(End::Elsewhere);
        };
        let since = Instant::now();
        let ids: Vec<ManifestId> = lines.iter().map(|line| line.id).collect();
        standing::lock(&mut tx, &ids).await?;
        let found = candidate::some(&mut tx, of.repository, &ids).await?;
        let found: HashMap<ManifestId, Candidate> =
            found.into_iter().map(|candidate| (candidate.id, candidate)).collect();
        let (name, origin) = (format!("retention policy {}", self.policy), Origin::default());
        let actor = Actor { principal: None, name: &name, origin: &origin };
        let reason = format!("no rule of retention keeps it: execution {}", self.execution);
        for line in lines {
            let verdict = match found.get(&line.id) {
                // Somebody else has deleted it.
                None => Verdict::Delete,
                Some(candidate) if !line.still_fits(candidate) => Verdict::Retain,
                Some(candidate) => {
                    let removal = Removal {
                        project: self.project,
                        repository: of.repository,
                        repository_name: &of.repository_name,
                        manifest: line.id,
                        digest: &line.digest,
                        size: candidate.size,
                        actor,
                        reason: &reason,
                        lease: self.worker.policy.lease,
                        undelete: self.worker.policy.undelete,
                    };
                    match removal::remove(&mut tx, &removal, self.worker.clock.now()).await? {
                        Removed::Gone | Removed::Missing => Verdict::Delete,
                        Removed::Immutable(_) => Verdict::Immutable,
                        Removed::Held(_) => Verdict::Error,
                    }
                }
            };
            verdict::set(&mut tx, of.id, line.id, verdict).await?;
            if since.elapsed() > ENOUGH {
                break;
            }
        }
        tx.commit().await?;
        Ok(End::Done)
    }
}

/// Whether somebody else was in the way, and not the database the trouble.
fn is_in_the_way(error: &Error) -> bool {
    matches!(error, Error::Reference) || error.is_contention()
}
