//! What goes on by itself leaves one line a day in the history.

use std::time::Duration;

use roadstead_model::{CollectionParameters, GARBAGE_COLLECTION, Timestamp};
use roadstead_storage::Result;
use roadstead_storage::tables::execution;

use super::Tally;
use super::requests::WORK;
use crate::Worker;
use crate::executions::micros;

const DAY: Duration = Duration::from_hours(24);
/// How often adding to it is tried when other replicas add at the same time.
const ATTEMPTS: usize = 5;

impl Worker {
    /// Adds to the history of this day (in UTC), if there is something to add.
    pub(super) async fn remember(&self, tally: &Tally) -> Result<()> {
        if tally.is_empty() {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            if self.add_to_day(tally).await? {
                break;
            }
        }
        Ok(())
    }

    async fn add_to_day(&self, tally: &Tally) -> Result<bool> {
        let now = self.clock.now();
        let midnight = Timestamp(now.0 - now.0.rem_euclid(micros(DAY)));
        let line = tally.line("collected");
        let mut tx = self.background.begin().await?;
        let found = execution::ongoing(&mut tx, GARBAGE_COLLECTION, midnight).await?;
        let Some(found) = found else {
            let parameters = with_results(&CollectionParameters::default(), tally);
            execution::insert_ongoing(&mut tx, GARBAGE_COLLECTION, &parameters, &line, now).await?;
            execution::trim(&mut tx, GARBAGE_COLLECTION, WORK.kept).await?;
            tx.commit().await?;
            return Ok(true);
        };
        let before: CollectionParameters =
            serde_json::from_str(&found.parameters).unwrap_or_default();
        let sum = Tally {
            bytes: tally.bytes + before.freed_space.unwrap_or_default(),
            blobs: tally.blobs + before.purged_blobs.unwrap_or_default(),
            manifests: tally.purged() + before.purged_manifests.unwrap_or_default(),
            ..Tally::default()
        };
        let parameters = with_results(&before, &sum);
        // The log stays short: a line for the first round of an hour.
        let hour = |at: Timestamp| at.seconds() / 3600;
        let line = if hour(found.updated_at) == hour(now) { "" } else { &line };
        let added = execution::add_to_ongoing(&mut tx, &found, &parameters, line, now).await?;
        tx.commit().await?;
        Ok(added)
    }
}

/// The parameters of an execution, with what came of it.
pub(super) fn with_results(parameters: &CollectionParameters, tally: &Tally) -> String {
    let all = CollectionParameters {
        freed_space: Some(tally.bytes),
        purged_blobs: Some(tally.blobs),
        purged_manifests: Some(tally.purged()),
        ..parameters.clone()
    };
    serde_json::to_string(&all).unwrap_or_default()
}
