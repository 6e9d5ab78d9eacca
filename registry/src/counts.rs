//! Counting pulls, without a write where something is pulled: what is noted here is written every
//! few seconds, for all that were pulled since at once. What a crash loses is a few counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roadstead_auth::Grant;
use roadstead_model::{ManifestId, Reference, RepositoryId, Timestamp};
use roadstead_storage::tables::pull::{self, Pulled};

use crate::Registry;
use crate::error::Result;

/// How many manifests are noted at most until they are written; more are not counted.
const MOST: usize = 100_000;
/// How many are written in one transaction.
const BATCH: usize = 200;

/// Which manifest of which repository, by which tag.
type Key = (RepositoryId, ManifestId, Option<String>);

#[derive(Clone, Copy, Debug)]
struct Noted {
    times: i64,
    last: Timestamp,
}

/// Pulls that were not written yet; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Mutex<HashMap<Key, Noted>>>);

impl Counts {
    fn note(&self, key: Key, noted: Noted) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MOST && !map.contains_key(&key) {
            return;
        }
        let known = map.entry(key).or_insert(Noted { times: 0, last: noted.last });
        known.times += noted.times;
        known.last = known.last.max(noted.last);
    }

    fn take(&self) -> Vec<(Key, Noted)> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<_> = std::mem::take(&mut *map).into_iter().collect();
        // In order, so that two servers do not wait for each other in a circle.
        taken.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        taken
    }
}

impl Registry {
    /// Notes that a manifest was served.
    pub(crate) fn count_pull(&self, grant: &Grant, reference: &Reference, manifest: ManifestId) {
        let Some(repository) = grant.repository() else {
            return;
        };
        let tag = match reference {
            Reference::Tag(tag) => Some(tag.to_string()),
            Reference::Digest(_) => None,
        };
        let noted = Noted { times: 1, last: self.clock.now() };
        self.counts.note((repository, manifest, tag), noted);
    }

    /// Writes what was pulled since the last time.
    pub async fn write_counts(&self) -> Result<()> {
        // What is left on a full disk is for deletes.
        self.blobs.require_space(0).await?;
        let taken = self.counts.take();
        let mut batches = taken.chunks(BATCH);
        while let Some(batch) = batches.next() {
            if let Err(error) = self.write_batch(batch).await {
                // Together with those that come until the next time.
                for (key, noted) in std::iter::once(batch).chain(batches).flatten() {
                    self.counts.note(key.clone(), *noted);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_batch(&self, batch: &[(Key, Noted)]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        for ((repository, manifest, tag), noted) in batch {
            let pulled = Pulled {
                repository: *repository,
                manifest: *manifest,
                tag: tag.as_deref(),
                times: noted.times,
                last: noted.last,
            };
            pull::note(&mut tx, pulled).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Writes pulls every so often, until `stop` says so, and once more then.
    pub async fn keep_writing_counts(self, every: Duration, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let stopped = tokio::select! {
                () = &mut stop => true,
                () = tokio::time::sleep(every) => false,
            };
            if let Err(error) = self.write_counts().await {
                tracing::warn!(%error, "pulls could not be counted yet");
            }
            if stopped {
                return;
            }
        }
    }
}
