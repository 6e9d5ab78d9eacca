//! What goes, and when.

use std::time::Duration;

use roadstead_model::Timestamp;
use roadstead_storage::tables::gc_queue::{Entry, Kind};
use roadstead_storage::tables::manifest::standing::Standing;

use super::Mode;

/// What is collected, and how fast.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// How long bytes stay after their row is gone, for those who are reading them.
    pub grace: Duration,
    /// How long what was pushed stays without anything that refers to it.
    pub lease: Duration,
    /// How long what is deleted can be brought back, unless its project says otherwise.
    pub undelete: Duration,
    /// How long the history of tags is remembered; for ever without.
    pub tag_history: Option<Duration>,
    /// Which manifests without a tag go.
    pub untagged: Untagged,
    /// How many rows are looked at in a second; 0 is as many as can be.
    pub rate: u32,
    /// How many work at once on this replica.
    pub workers: usize,
}

/// Which manifests go that neither a tag nor an index nor a subject keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untagged {
    /// How long they stay; for ever without.
    pub after: Option<Duration>,
    /// How many stay anyway in each repository, the newest ones.
    pub keep: i64,
}

impl Untagged {
    /// Something that differs between policies.
    pub(super) fn name(&self) -> String {
        format!("{:?} {}", self.after, self.keep)
    }
}

/// What is to be done with a manifest that stands in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is no garbage, and is queued again when it is.
    Keep,
    /// It is too early.
    Later(Timestamp),
    /// It goes unless it is one of the newest.
    GoUnlessNew,
    /// It stays until the policy changes.
    Park,
    /// It goes.
    Go,
}

impl Policy {
    /// What is to be done with a manifest. Whoever asked for all that is untagged gets what nobody
    /// can be about to refer to.
    pub(super) fn judge(
        &self,
        kind: Kind,
        mode: Mode,
        entry: &Entry,
        found: &Standing,
        now: Timestamp,
    ) -> Verdict {
        // A signature whose tag is but the name of what it signs goes with that, once it went.
        let tagged = found.tagged && !(kind == Kind::Referrer && found.only_signs);
        if tagged || found.held || found.refers {
            return Verdict::Keep;
        }
        let asked = mode == Mode::AllUntagged;
        let mut earliest = found.created_at.after(self.lease).max(entry.lease_until);
        if kind == Kind::Referrer && !asked {
            earliest = earliest.max(entry.since.after(self.lease));
        }
        if now < earliest {
            return Verdict::Later(earliest);
        }
        if kind == Kind::Referrer || asked {
            return Verdict::Go;
        }
        match self.untagged.after {
            None => Verdict::Park,
            Some(age) if now < entry.since.after(age) => Verdict::Later(entry.since.after(age)),
            Some(_) if self.untagged.keep > 0 => Verdict::GoUnlessNew,
            Some(_) => Verdict::Go,
        }
    }
}
