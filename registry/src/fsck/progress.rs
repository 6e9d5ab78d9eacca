//! How far long work is, for whoever waits for it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is being done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Rows among themselves.
    #[default]
    Rows,
    /// Manifests and their rows.
    Manifests,
    /// Blobs and their objects.
    Blobs,
    /// Objects and their rows.
    Objects,
}

/// Numbers that another task may look at, and a way to stop.
#[derive(Debug, Default)]
pub struct Progress {
    stage: Mutex<Stage>,
    total: AtomicU64,
    done: AtomicU64,
    bytes: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    pub(super) fn enter(&self, stage: Stage, total: u64) {
        *self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = stage;
        self.total.store(total, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    pub(super) fn step(&self, bytes: u64) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends the work before its next step; true when that was asked for before.
    pub fn stop(&self) -> bool {
        self.stopped.swap(true, Ordering::Relaxed)
    }

    /// One line: what is being done, how many of how many, and how many bytes were read.
    pub fn line(&self) -> String {
        let stage = *self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let what = match stage {
            Stage::Rows => return "rows".to_owned(),
            Stage::Manifests => "manifests",
            Stage::Blobs => "blobs",
            Stage::Objects => "objects",
        };
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        let of = if total > 0 { format!(" of {total}") } else { String::new() };
        let mebibytes = self.bytes.load(Ordering::Relaxed) >> 20;
        let read = if mebibytes > 0 { format!(", {mebibytes} MiB read") } else { String::new() };
        format!("{what}: {done}{of}{read}")
    }
}
