//! Proving that rows and bytes agree, while the server runs or not; and mending what can be mended
//! without losing anything.
//!
//! First the rows among themselves, then every blob's object, then every object's row. Keys are in
//! a row before a byte is written, so an object without one is a true orphan, however young. What
//! was read in two steps is looked at once more before it is reported.

mod manifests;
mod objects;
mod orphans;
mod pace;
mod progress;
mod rebuild;
mod repair;
mod report;
mod rows;
mod scrub;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use roadstead_model::{BlobId, Clock};
use roadstead_storage::{Blobs, Db};

use crate::error::Result;
use pace::Pace;

pub use progress::{Progress, Stage};
pub use rebuild::{Rebuilt, rebuild};
pub use report::{Fault, Kind, Report};
pub use scrub::{Scrub, Scrubbed};

/// How long an orphan stays in quarantine before its bytes are given up.
pub const QUARANTINE: Duration = Duration::from_hours(7 * 24);

/// One of several shares that blobs are divided into: those whose id leaves this remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subset {
    share: i64,
    of: i64,
}

impl std::str::FromStr for Subset {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be <n>/<t>, as 3/30, with n from 1 to t";
        let (share, of) = text.split_once('/').ok_or(WRONG)?;
        match (share.parse::<i64>(), of.parse::<i64>()) {
            (Ok(share), Ok(of)) if share >= 1 && share <= of => Ok(Self { share, of }),
            _ => Err(WRONG),
        }
    }
}

impl Subset {
    fn has(self, id: BlobId) -> bool {
        id.0 % self.of == self.share % self.of
    }
}

/// What to check, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Read and hash blobs, too.
    pub deep: bool,
    /// Hash only these; None is all.
    pub subset: Option<Subset>,
    /// How many bytes to read in a second at most.
    pub rate: Option<NonZeroU64>,
    /// Begin behind this blob, as a check that was interrupted says; what comes before the blobs
    /// is left out then.
    pub after: Option<BlobId>,
    /// Mend what can be mended without losing anything.
    pub repair: bool,
    /// How long bytes stay after nothing needs them.
    pub grace: Duration,
}

/// A check of a database and a store.
pub struct Check {
    db: Db,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    options: Options,
    pace: Pace,
    progress: Arc<Progress>,
}

impl Check {
    /// Prepares a check.
    pub fn new(db: Db, blobs: Blobs, clock: Arc<dyn Clock>, options: Options) -> Self {
        let pace = Pace::new(options.rate);
        Self { db, blobs, clock, options, pace, progress: Arc::default() }
    }

    /// How far it is; shows while it runs, and stops it.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Checks everything that was asked for.
    ///
    /// # Errors
    /// When the check itself cannot go on. Faults are no errors: they are in the report.
    pub async fn run(&self) -> Result<Report> {
        let mut report = Report::default();
        if self.options.after.is_none() {
            self.progress.enter(Stage::Rows, 0);
            self.check_rows(&mut report).await?;
            self.progress.enter(Stage::Manifests, 0);
            self.check_manifests(&mut report).await?;
        }
        self.check_objects(&mut report).await?;
        if report.stopped_after.is_none() {
            self.check_orphans(&mut report).await?;
        }
        if self.options.repair && report.stopped_after.is_none() && !self.progress.is_stopped() {
            self.adopt_tombstones(&mut report).await?;
        }
        Ok(report)
    }
}
