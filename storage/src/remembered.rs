//! What may be remembered of the database, and until when.
//!
//! Whoever remembers rows outside of the database keeps with them the [`Stamp`] that was current
//! before they were read. A transaction that may have changed them makes another stamp current
//! when it is committed, before its caller knows; so what is remembered under an older stamp is
//! read anew. What another process commits becomes known by a notification, where there is one
//! ([`Changes`](crate::Changes)), and else because nothing is believed for longer than
//! [`BELIEVED`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use roadstead_model::RepositoryId;

/// How long something is believed that nobody has contradicted.
pub const BELIEVED: Duration = Duration::from_secs(3);
/// After which somebody should read it anew while the others still believe it.
const MIDDLE_AGE: Duration = Duration::from_secs(2);
/// Repositories share so many counters.
const SHARDS: usize = 1 << 10;

/// What was current at some moment; it is as good as an equal one is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64);

/// How often what may be remembered was changed.
#[derive(Clone, Debug)]
pub struct Generations(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    rights: AtomicU64,
    content: AtomicU64,
    repositories: [AtomicU64; SHARDS],
}

impl Default for Generations {
    fn default() -> Self {
        Self(Arc::new(Counters {
            rights: AtomicU64::new(0),
            content: AtomicU64::new(0),
            repositories: std::array::from_fn(|_| AtomicU64::new(0)),
        }))
    }
}

impl Generations {
    fn shard(&self, repository: RepositoryId) -> &AtomicU64 {
        let shard = usize::try_from(repository.0.rem_euclid(1 << 10)).unwrap_or_default();
        &self.0.repositories[shard]
    }

    /// Of who may do what: accounts, secrets, roles, projects, settings.
    pub fn of_rights(&self) -> Stamp {
        Stamp(self.0.rights.load(Ordering::SeqCst))
    }

    /// Of what is in a repository: its tags, manifests and blobs. That something is *not* there
    /// may not be remembered.
    pub fn of_repository(&self, repository: RepositoryId) -> Stamp {
        // Both only grow, so that the sum is new when one of them is.
        let content = self.0.content.load(Ordering::SeqCst);
        Stamp(content.wrapping_add(self.shard(repository).load(Ordering::SeqCst)))
    }

    pub(crate) fn rights_changed(&self) {
        self.0.rights.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn all_content_changed(&self) {
        self.0.content.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn repository_changed(&self, repository: RepositoryId) {
        self.shard(repository).fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn everything_changed(&self) {
        self.rights_changed();
        self.all_content_changed();
    }
}

/// Something that was read, with the stamp from before.
#[derive(Debug)]
pub struct Remembered<T> {
    value: T,
    stamp: Stamp,
    since: Instant,
    renewing: AtomicBool,
}

impl<T> Remembered<T> {
    /// What was read since `since`, and after `stamp` was current.
    pub fn new(value: T, stamp: Stamp, since: Instant) -> Self {
        Self { value, stamp, since, renewing: AtomicBool::new(false) }
    }

    /// What is remembered, believed or not.
    pub fn whatever(&self) -> &T {
        &self.value
    }

    /// What is remembered, if it is still to be believed. When it has got old, one caller is told
    /// nothing, so that it is read anew before everybody has to.
    pub fn get(&self, current: Stamp) -> Option<&T> {
        let age = self.since.elapsed();
        let believed = self.stamp == current && age < BELIEVED;
        let renews = || age >= MIDDLE_AGE && !self.renewing.swap(true, Ordering::Relaxed);
        (believed && !renews()).then_some(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_believed_until_its_stamp_is_old() {
        let generations = Generations::default();
        let (here, there) = (RepositoryId(5), RepositoryId(6));
        let remembered = |stamp| Remembered::new((), stamp, Instant::now());
        let believed =
            |remembered: &Remembered<()>| remembered.get(generations.of_repository(here)).is_some();
        let known = remembered(generations.of_repository(here));
        generations.repository_changed(there);
        generations.rights_changed();
        assert!(believed(&known));
        generations.repository_changed(here);
        assert!(!believed(&known));
        let known = remembered(generations.of_repository(here));
        generations.all_content_changed();
        assert!(!believed(&known));
        let rights = remembered(generations.of_rights());
        generations.everything_changed();
        assert!(rights.get(generations.of_rights()).is_none());
    }

    #[test]
    fn what_got_old_is_read_anew_by_one_first_and_by_all_in_the_end() {
        let stamp = Generations::default().of_rights();
        let since = |age| Instant::now().checked_sub(age).unwrap();
        let middle = Remembered::new((), stamp, since(MIDDLE_AGE));
        assert!(middle.get(stamp).is_none());
        assert!(middle.get(stamp).is_some());
        let old = Remembered::new((), stamp, since(BELIEVED));
        assert!(old.get(stamp).is_none());
        assert!(old.get(stamp).is_none());
    }
}
