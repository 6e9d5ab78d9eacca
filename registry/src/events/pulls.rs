//! Pulls wait in memory to be told of, and a task writes them down in batches: no pull waits for
//! that. When more are waiting than there is room for, the newest are dropped, and counted.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use roadstead_auth::Grant;
use roadstead_model::webhook::EventType;
use roadstead_model::{Digest, ProjectId, Reference, RepositoryName, Timestamp};
use roadstead_storage::tables::{project, webhook_delivery};
use roadstead_storage::{Remembered, Stamp};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use super::{Happened, artifact};
use crate::Registry;
use crate::error::Result;

/// How many pulls wait at most.
const ROOM: usize = 10_000;
/// How many are written down in one transaction.
const BATCH: usize = 500;
/// How long pulls are collected before that.
const PAUSE: Duration = Duration::from_millis(200);
/// How long to wait after a failure.
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// A pull.
struct Pull {
    project: ProjectId,
    name: RepositoryName,
    happened: Happened,
    at: Timestamp,
}

/// Pulls that wait.
#[derive(Clone)]
pub(crate) struct Pulls(Arc<Queue>);

struct Queue {
    sender: Sender<Pull>,
    receiver: Mutex<Receiver<Pull>>,
    dropped: Arc<AtomicU64>,
    /// The projects where somebody wants to be told.
    wanted: RwLock<Option<Arc<Remembered<HashSet<ProjectId>>>>>,
}

impl Default for Pulls {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(ROOM);
        let (receiver, dropped) = (Mutex::new(receiver), Arc::default());
        Self(Arc::new(Queue { sender, receiver, dropped, wanted: RwLock::default() }))
    }
}

impl Pulls {
    fn push(&self, pull: Pull) {
        if self.0.sender.try_send(pull).is_err() {
            self.lost(1);
        }
    }

    /// Whether it is known that nobody wants to be told of a project's pulls.
    fn is_unwanted(&self, project: ProjectId, current: Stamp) -> bool {
        let wanted = self.0.wanted.read().unwrap_or_else(PoisonError::into_inner);
        let known = wanted.as_ref().and_then(|wanted| wanted.get(current));
        known.is_some_and(|wanted| !wanted.contains(&project))
    }

    fn remember(&self, wanted: Arc<Remembered<HashSet<ProjectId>>>) {
        *self.0.wanted.write().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
    }

    fn lost(&self, pulls: usize) {
        self.0.dropped.fetch_add(pulls as u64, Ordering::Relaxed);
    }
}

impl Registry {
    /// Notes that a manifest was pulled; waits for nothing.
    pub(crate) fn note_pull(&self, grant: &Grant, reference: &Reference, digest: &Digest) {
        if self.pulls.is_unwanted(grant.project(), self.db.generations().of_rights()) {
            return;
        }
        let tag = match reference {
            Reference::Tag(tag) => Some(tag.as_str()),
            Reference::Digest(_) => None,
        };
        let artifact = artifact(digest.as_str(), tag);
        let happened = Happened::of(EventType::PullArtifact, grant.caller(), vec![artifact]);
        let (project, name) = (grant.project(), grant.name().clone());
        let pull = Pull { project, name, happened, at: self.clock.now() };
        self.pulls.push(pull);
    }

    /// How many pulls nobody was told of, because too many were waiting.
    pub fn dropped_pulls(&self) -> Arc<AtomicU64> {
        self.pulls.0.dropped.clone()
    }

    /// Writes down the pulls that somebody wants to be told of, until it is told to stop and none
    /// is left.
    pub async fn keep_telling_of_pulls(&self, stop: CancellationToken) {
        let mut receiver = self.pulls.0.receiver.lock().await;
        loop {
            let mut batch = Vec::new();
            let more = receiver.recv_many(&mut batch, BATCH);
            if stop.run_until_cancelled(more).await.is_none() {
                // What came in while the last batch was written.
                while batch.len() < ROOM
                    && let Ok(pull) = receiver.try_recv()
                {
                    batch.push(pull);
                }
                if batch.is_empty() {
                    return;
                }
            }
            let count = batch.len();
            let written = self.write_pulls(batch).await;
            let pause = if written.is_ok() { PAUSE } else { LONG_PAUSE };
            if let Err(error) = written {
                self.pulls.lost(count);
                tracing::warn!(%error, "webhooks are not told of some pulls");
            }
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    async fn write_pulls(&self, batch: Vec<Pull>) -> Result<()> {
        let kind = EventType::PullArtifact;
        let (stamp, since) = (self.db.generations().of_rights(), Instant::now());
        let wanted = webhook_delivery::projects_with(&mut self.db.read().await?, kind).await?;
        let wanted = wanted.into_iter().collect();
        let wanted = Arc::new(Remembered::new(wanted, stamp, since));
        self.pulls.remember(wanted.clone());
        let wanted = wanted.whatever();
        let mut by_project: BTreeMap<ProjectId, Vec<Pull>> = BTreeMap::new();
        for pull in batch.into_iter().filter(|pull| wanted.contains(&pull.project)) {
            by_project.entry(pull.project).or_default().push(pull);
        }
        for (id, pulls) in by_project {
            let mut tx = self.db.begin().await?;
            project::share(&mut tx, id).await?;
            let listeners = webhook_delivery::listeners(&mut tx, id, kind).await?;
            let mut repositories = BTreeMap::new();
            for Pull { name, happened, at, .. } in pulls {
                if !repositories.contains_key(name.as_str()) {
                    let described = webhook_delivery::repository(&mut tx, &name).await?;
                    repositories.insert(name.as_str().to_owned(), described);
                }
                let mut event = happened.event(at);
                event.event_data.repository = repositories.get(name.as_str()).cloned();
                webhook_delivery::insert(&mut tx, &listeners, &[event], self.clock.now()).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use roadstead_auth::Caller;
    use roadstead_model::Origin;

    use super::*;

    #[tokio::test]
    async fn what_there_is_no_room_for_is_dropped_and_counted() {
        let pulls = Pulls::default();
        let caller = Caller::anonymous(Origin::default());
        for at in 0..12_000 {
            let happened = Happened::of(EventType::PullArtifact, &caller, Vec::new());
            let name = "library/app".parse().unwrap();
            pulls.push(Pull { project: ProjectId(1), name, happened, at: Timestamp(at) });
        }
        assert_eq!(pulls.0.dropped.load(Ordering::Relaxed), 2000);
        let mut kept = Vec::new();
        pulls.0.receiver.lock().await.recv_many(&mut kept, ROOM).await;
        assert_eq!((kept.len(), kept[9999].at), (10_000, Timestamp(9999)), "the newest go");
    }
}
