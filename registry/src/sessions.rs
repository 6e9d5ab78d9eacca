//! Which upload sessions are being written to in this process, and what is known of their rows.
//!
//! The row's compare-and-set keeps two writers from both being acknowledged; this keeps them from
//! writing into each other's bytes.
//!
//! Where no other process has the database, the row of a session is remembered from one request
//! to the next: whoever enters takes the memory out, and only who has written the row puts one
//! back. A row that went away meanwhile, with its repository or at its end, is noticed by the
//! statement that writes it; and everything is forgotten when a repository goes.
//!
//! There, too, the bytes of a small blob are held here until the session is finished, if that is
//! soon: then they are written, made durable and linked at once. Whoever asks is told of them as
//! of any others. Those that nobody finishes are settled a second later, and when the server
//! stops; a crash before that takes such a session back to its beginning, where its client, which
//! was not told that the blob is there, begins again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use roadstead_model::{ProjectId, Timestamp, UploadId};
use roadstead_storage::tables::upload::{Owner, Upload};

/// How many rows are remembered at most.
const MOST: usize = 4096;

/// How long a row is remembered: a client that goes on does so at once.
const FOR: Duration = Duration::from_secs(10);

/// How many bytes are held at most, in all sessions together, and for how many each of them counts
/// beside its own.
const MOST_HELD: usize = 16 << 20;
const EACH: usize = 1 << 10;

/// How long bytes are held for a client that goes on at once.
const HELD_FOR: Duration = Duration::from_secs(1);

/// A session's row.
struct Known {
    row: Upload,
    owner: Owner,
    until: Timestamp,
    held: Option<Held>,
}

/// Bytes behind those of the row.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    pub(crate) project: ProjectId,
    pub(crate) since: Timestamp,
}

#[derive(Default)]
struct State {
    open: HashSet<UploadId>,
    known: HashMap<UploadId, Known>,
    /// How much is held.
    held: usize,
    /// Whether somebody sees to what is held too long.
    seen_to: bool,
}

impl State {
    fn remove(&mut self, id: UploadId) -> Option<Known> {
        let known = self.known.remove(&id)?;
        self.held -= known.weight();
        Some(known)
    }

    fn insert(&mut self, known: Known) {
        let id = known.row.id;
        self.remove(id);
        if self.known.len() >= MOST {
            // The rest is read from the database; sessions rarely live long.
            self.forget();
        }
        self.held += known.weight();
        self.known.insert(id, known);
    }

    /// Forgets every row behind which nothing is held.
    fn forget(&mut self) {
        self.known.retain(|_, known| known.held.is_some());
    }

    fn held_behind(&self, id: UploadId, owner: Owner) -> Option<(Upload, Option<Held>)> {
        let known = self.known.get(&id).filter(|known| known.owner == owner)?;
        Some((known.row.clone(), Some(known.held.clone()?)))
    }
}

impl Known {
    fn weight(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.bytes.len() + EACH)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<State>>);

/// The right to write to a session, until dropped.
pub(crate) struct Writing {
    sessions: Sessions,
    id: UploadId,
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None while somebody else writes to the session.
    pub(crate) fn enter(&self, id: UploadId) -> Option<Writing> {
        self.state().open.insert(id).then(|| Writing { sessions: self.clone(), id })
    }

    /// Remembers a row as it is now, and that nothing is held behind it.
    pub(crate) fn remember(&self, row: Upload, owner: Owner, now: Timestamp, ends: Timestamp) {
        let until = now.after(FOR).min(ends);
        self.state().insert(Known { row, owner, until, held: None });
    }

    /// Holds bytes behind a row that is as it was. None when there is no room for them; else
    /// whether the caller has to see to what is held too long.
    pub(crate) fn hold(&self, row: Upload, owner: Owner, held: Held) -> Option<bool> {
        let mut state = self.state();
        let before = state.known.get(&row.id).map_or(0, Known::weight);
        if state.held - before + held.bytes.len() + EACH > MOST_HELD {
            return None;
        }
        let until = held.since.after(FOR);
        state.insert(Known { row, owner, until, held: Some(held) });
        Some(!std::mem::replace(&mut state.seen_to, true))
    }

    /// The row that was remembered, once; with what is held behind it, which stays until the
    /// session ends, or all of it is in the row.
    pub(crate) fn recall(
        &self,
        id: UploadId,
        owner: Owner,
        now: Timestamp,
    ) -> Option<(Upload, Option<Held>)> {
        let mut state = self.state();
        if let Some(held) = state.held_behind(id, owner) {
            return Some(held);
        }
        // Whoever does not own it changes nothing.
        state.known.get(&id).filter(|known| known.owner == owner)?;
        let known = state.remove(id)?;
        (known.until > now).then_some((known.row, None))
    }

    /// The row of a session behind which bytes are held, and these.
    pub(crate) fn held(&self, id: UploadId, owner: Owner) -> Option<(Upload, Option<Held>)> {
        self.state().held_behind(id, owner)
    }

    /// The sessions that hold bytes since before `now` less a second, or all that hold any; when
    /// none is left, the next to hold some has to see to it.
    pub(crate) fn overdue(&self, now: Option<Timestamp>) -> Option<Vec<(UploadId, Owner)>> {
        let mut state = self.state();
        let holding = || state.known.values().filter(|known| known.held.is_some());
        if holding().next().is_none() {
            state.seen_to = false;
            return None;
        }
        let is_due = |known: &&Known| match (&known.held, now) {
            (Some(held), Some(now)) => held.since.after(HELD_FOR) <= now,
            _ => true,
        };
        Some(holding().filter(is_due).map(|known| (known.row.id, known.owner)).collect())
    }

    /// Forgets a session that ended.
    pub(crate) fn ended(&self, id: UploadId) {
        self.state().remove(id);
    }

    /// Forgets every row behind which nothing is held.
    pub(crate) fn forget(&self) {
        self.state().forget();
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.sessions.state().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use roadstead_model::{Algorithm, ObjectKey, PrincipalId, RepositoryId};
    use roadstead_storage::ContentHash;
    use roadstead_storage::blobs::Layout;

    use super::*;

    const OWNER: Owner = Owner { repository: RepositoryId(1), principal: PrincipalId(2) };

    fn row() -> Upload {
        Upload {
            id: UploadId::random(),
            key: ObjectKey::fresh(),
            received: 0,
            layout: Layout::default(),
            algorithm: Algorithm::Sha256,
            hash_state: ContentHash::new(Algorithm::Sha256).save(),
        }
    }

    fn held(bytes: usize) -> Held {
        let bytes = Bytes::from(vec![0; bytes]);
        Held { bytes, project: ProjectId(3), since: Timestamp(0) }
    }

    #[test]
    fn what_is_held_has_an_end_and_is_given_back_by_whoever_ends() {
        let sessions = Sessions::default();
        let rows: Vec<Upload> = (0..300).map(|_| row()).collect();
        let took = |row: &Upload| sessions.hold(row.clone(), OWNER, held(64 << 10)).is_some();
        let taken = rows.iter().filter(|row| took(row)).count();
        assert_eq!(taken, MOST_HELD / ((64 << 10) + EACH));
        // More behind the same bytes takes the place of these.
        assert!(took(&rows[0]));
        assert!(!took(&rows[taken]));
        sessions.ended(rows[0].id);
        assert!(took(&rows[taken]));
        let moment = Timestamp(0);
        sessions.remember(rows[1].clone(), OWNER, moment, moment.after(FOR));
        assert!(took(&rows[taken + 1]), "what is in the row is not held any more");
    }

    #[test]
    fn what_is_held_is_forgotten_by_nobody_and_seen_by_its_owner_only() {
        let (sessions, row) = (Sessions::default(), row());
        assert_eq!(sessions.hold(row.clone(), OWNER, held(5)), Some(true), "see to it");
        sessions.forget();
        let other = Owner { repository: RepositoryId(9), ..OWNER };
        assert!(sessions.recall(row.id, other, Timestamp(0)).is_none());
        for _ in 0..2 {
            let (_, held) = sessions.recall(row.id, OWNER, Timestamp(0)).unwrap();
            assert_eq!(held.unwrap().bytes.len(), 5);
        }
        assert_eq!(sessions.overdue(Some(Timestamp(0))), Some(Vec::new()));
        assert_eq!(sessions.overdue(None), Some(vec![(row.id, OWNER)]));
        sessions.ended(row.id);
        assert_eq!(sessions.overdue(None), None);
        assert_eq!(sessions.hold(row, OWNER, held(5)), Some(true), "it ends, and begins again");
    }
}
