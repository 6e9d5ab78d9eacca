//! Background work, in the words that Harbor has for its job service.

use std::time::Duration;

use crate::{GARBAGE_COLLECTION, PURGE_AUDIT_LOG, RETENTION};

/// What asks for work when its schedule is due. Paused, no schedule does.
pub const SCHEDULER: &str = "SCHEDULER";

/// The kinds of work that wait in queues, of which every pool does one execution at a time.
pub const JOBS: &[&str] = &[GARBAGE_COLLECTION, PURGE_AUDIT_LOG, RETENTION];

/// A pool of workers that was silent for so long is gone.
pub const POOL_LOST_AFTER: Duration = Duration::from_mins(2);
