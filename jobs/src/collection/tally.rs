//! What was collected.

use std::ops::AddAssign;

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) sessions: i64,
    pub(crate) manifests: i64,
    /// Those of the manifests that can be brought back, because something deleted needs them.
    pub(crate) kept: i64,
    pub(crate) links: i64,
    pub(crate) blobs: i64,
    /// Of manifests and blobs that are gone for ever.
    pub(crate) bytes: i64,
    pub(crate) objects: i64,
    /// Deleted artifacts that cannot be brought back any more.
    pub(crate) deleted: i64,
}

impl Tally {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Manifests that are gone for ever.
    pub(super) fn purged(&self) -> i64 {
        self.manifests - self.kept + self.deleted
    }

    /// A line for people; `done` is what happened to the rows.
    pub(super) fn line(&self, done: &str) -> String {
        let Self { sessions, manifests, kept, links, blobs, bytes, objects, deleted } = self;
        let kept = match kept {
            0 => String::new(),
            _ => format!("; {kept} of the manifests can be brought back"),
        };
        let ended = match deleted {
            0 => String::new(),
            _ => format!("; {deleted} deleted artifacts cannot be restored any more"),
        };
        format!(
            "{blobs} blobs, {manifests} manifests, {links} links and {sessions} uploads {done}, \
             {bytes} bytes; {objects} objects deleted{kept}{ended}"
        )
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.manifests += other.manifests;
        self.kept += other.kept;
        self.links += other.links;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
        self.objects += other.objects;
        self.deleted += other.deleted;
    }
}

/// What a transaction did, to be told once it is committed.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    /// A line of the log for each blob and manifest that is gone for ever.
    pub(super) gone: Vec<String>,
}

impl From<Tally> for Outcome {
    fn from(tally: Tally) -> Self {
        Self { tally, gone: Vec::new() }
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.tally += other.tally;
        self.gone.extend(other.gone);
    }
}

pub(super) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
