//! Figures of collection, for whoever watches the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use roadstead_storage::Holds;
use roadstead_storage::tables::gc_queue::Backlog;

use super::Tally;

/// What this process collected so far, and what it has before it.
#[derive(Debug, Default)]
pub struct Figures {
    sessions: AtomicU64,
    manifests: AtomicU64,
    links: AtomicU64,
    blobs: AtomicU64,
    bytes: AtomicU64,
    objects: AtomicU64,
    deleted: AtomicU64,
    backlog: Mutex<(Backlog, f64)>,
    holds: Arc<Holds>,
}

impl Figures {
    pub(crate) fn new(holds: Arc<Holds>) -> Self {
        Self { holds, ..Self::default() }
    }

    pub(super) fn add(&self, tally: &Tally) {
        for (sum, add) in [
            (&self.sessions, tally.sessions),
            (&self.manifests, tally.manifests),
            (&self.links, tally.links),
            (&self.blobs, tally.blobs),
            (&self.bytes, tally.bytes),
            (&self.objects, tally.objects),
            (&self.deleted, tally.deleted),
        ] {
            sum.fetch_add(add.unsigned_abs(), Ordering::Relaxed);
        }
    }

    pub(super) fn set_backlog(&self, backlog: Backlog, age_in_seconds: f64) {
        *self.backlog.lock().unwrap_or_else(PoisonError::into_inner) = (backlog, age_in_seconds);
    }

    /// Rows and objects that went, by what they were; `deleted` are artifacts that cannot be brought
    /// back any more.
    pub fn collected(&self) -> [(&'static str, u64); 6] {
        [
            ("upload", self.sessions.load(Ordering::Relaxed)),
            ("manifest", self.manifests.load(Ordering::Relaxed)),
            ("link", self.links.load(Ordering::Relaxed)),
            ("blob", self.blobs.load(Ordering::Relaxed)),
            ("object", self.objects.load(Ordering::Relaxed)),
            ("deleted", self.deleted.load(Ordering::Relaxed)),
        ]
    }

    /// Bytes of the manifests and blobs that went.
    pub fn freed_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What was due after the last round, by what it is; and for how many seconds the oldest was.
    pub fn backlog(&self) -> (Backlog, f64) {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long the transactions of collection held what requests wait for.
    pub fn holds(&self) -> &Holds {
        &self.holds
    }
}
