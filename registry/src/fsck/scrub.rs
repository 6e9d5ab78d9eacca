//! Reading what nobody has read for long, so that a rotten disk is noticed while there is still
//! another copy somewhere. A blob's row knows when it was read last, by this or by being served;
//! so there is no position to keep, and a restart loses nothing.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use roadstead_model::{Clock, Timestamp};
use roadstead_storage::tables::blob::{self, Blob, State};
use roadstead_storage::{Blobs, Db, Error as StorageError};

use super::objects::digest_of;
use super::pace::Pace;
use super::repair;
use crate::error::Result;

/// How many blobs are chosen at once.
const BATCH: i64 = 50;
/// Less than this in a second is not worth bounding.
const SLOWEST: u64 = 1 << 20;

/// What a scrub has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Blobs that were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them were found damaged.
    pub damaged: u64,
}

/// A reader of everything within an interval.
pub struct Scrub {
    db: Db,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    interval: Duration,
    pace: Pace,
}

impl Scrub {
    /// Prepares a pass over what is due. It is read at twice the rate that reading everything
    /// within the interval takes, half of which is over when a blob becomes due.
    pub async fn new(
        db: Db,
        blobs: Blobs,
        clock: Arc<dyn Clock>,
        interval: Duration,
    ) -> Result<Self> {
        let (_, bytes) = blob::total(&mut db.read().await?).await?;
        let bytes = u64::try_from(bytes).unwrap_or(0);
        let rate = (bytes / (interval.as_secs() / 2).max(1)).max(SLOWEST);
        let pace = Pace::new(NonZeroU64::new(rate));
        Ok(Self { db, blobs, clock, interval, pace })
    }

    /// The blobs that wait longest, if any are due.
    pub async fn due(&self) -> Result<Vec<Blob>> {
        let half = i64::try_from(self.interval.as_micros() / 2).unwrap_or(i64::MAX);
        let before = Timestamp(self.clock.now().0.saturating_sub(half));
        let mut conn = self.db.read().await?;
        Ok(blob::unverified_since(&mut conn, before, BATCH).await?)
    }

    /// Reads one blob and notes what came of it.
    pub async fn read(&self, row: &Blob, so_far: &mut Scrubbed) -> Result<()> {
        let found = match digest_of(&self.blobs, &self.pace, row, row.size).await {
            Ok(found) if found == row.digest => State::Ok,
            Ok(_) => State::Suspect,
            Err(StorageError::Damaged { .. }) => State::Missing,
            Err(error) => return Err(error.into()),
        };
        so_far.blobs += 1;
        so_far.bytes += row.size;
        if found == State::Ok {
            let mut tx = self.db.begin().await?;
            blob::set_state(&mut tx, row.id, &row.key, found, self.clock.now()).await?;
            return Ok(tx.commit().await?);
        }
        // A push may have healed it, or collection taken it, since the row was read.
        let again = blob::find(&mut self.db.read().await?, &row.digest).await?;
        if again.is_some_and(|again| again.key == row.key) {
            so_far.damaged += 1;
            let (digest, key) = (&row.digest, &row.key);
            tracing::error!(%digest, %key, state = found.name(), "a blob is damaged");
            repair::set_state(&self.db, row, found, self.clock.now()).await?;
        }
        Ok(())
    }
}
