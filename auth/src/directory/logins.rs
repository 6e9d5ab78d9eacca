//! What is remembered of logins with a directory's passwords, in this process.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use roadstead_model::PrincipalId;
use roadstead_storage::tables::principal::Principal;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::passwords::{FAMILIAR, REMEMBERED};

/// What is remembered of a name and a password; useless without this process's key.
type Trace = [u8; 32];

/// How many questions are asked of the directory at once, and how long one may wait for its turn.
const AT_ONCE: usize = 32;
const PATIENCE: Duration = Duration::from_secs(5);
/// How many logins and people are remembered at most.
const MOST: usize = 10_000;

pub(super) struct Logins {
    right: Mutex<HashMap<Trace, Right>>,
    under_way: Mutex<HashMap<Trace, Weak<Turn<Trouble>>>>,
    seen: Mutex<HashMap<PrincipalId, Instant>>,
    at_once: Semaphore,
}

/// What went wrong last with the logins that wait for each other, and when.
pub(super) type Trouble = Option<(Instant, String)>;

/// A password that was right.
#[derive(Clone, Copy)]
struct Right {
    principal: PrincipalId,
    epoch: i64,
    since: Instant,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            right: Mutex::default(),
            under_way: Mutex::default(),
            seen: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
        }
    }
}

impl Logins {
    /// Waits until no other login with the same name and password is under way.
    pub(super) async fn turn(&self, trace: Trace) -> OwnedMutexGuard<Trouble> {
        let turn = {
            let mut under_way = lock(&self.under_way);
            if under_way.len() >= MOST {
                under_way.retain(|_, turn| turn.strong_count() > 0);
            }
            let known = under_way.get(&trace).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::new(Turn::new(None));
                under_way.insert(trace, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }

    /// Waits for a place among those who ask the directory.
    ///
    /// # Errors
    /// [`Error::TooManyLogins`].
    pub(super) async fn seat(&self) -> Result<SemaphorePermit<'_>> {
        match timeout(PATIENCE, self.at_once.acquire()).await {
            Ok(Ok(seat)) => Ok(seat),
            _ => Err(Error::TooManyLogins),
        }
    }

    /// Whose password this was not long ago, and their epoch then.
    pub(super) fn remembered(&self, trace: &Trace) -> Option<(PrincipalId, i64)> {
        let right = lock(&self.right).get(trace).copied();
        let right = right.filter(|right| right.since.elapsed() < REMEMBERED)?;
        Some((right.principal, right.epoch))
    }

    /// Whether the password was right lately, so that it need not be slowed down.
    pub(super) fn is_familiar(&self, trace: &Trace) -> bool {
        lock(&self.right).get(trace).is_some_and(|right| right.since.elapsed() < FAMILIAR)
    }

    /// Remembers a password that was right.
    pub(super) fn remember(&self, trace: Trace, principal: &Principal) {
        let since = Instant::now();
        let right = Right { principal: principal.id, epoch: principal.epoch, since };
        put(&self.right, trace, right, |right| right.since.elapsed() < FAMILIAR);
    }

    /// Whether somebody was looked up within `at_most`.
    pub(super) fn was_seen(&self, id: PrincipalId, at_most: Duration) -> bool {
        lock(&self.seen).get(&id).is_some_and(|since| since.elapsed() < at_most)
    }

    /// Notes that somebody was looked up.
    pub(super) fn see(&self, id: PrincipalId) {
        put(&self.seen, id, Instant::now(), |since| since.elapsed() < super::BELIEVED);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds to a map; when it is full what is out of date goes, or else everything.
fn put<K: Eq + Hash, V>(map: &Mutex<HashMap<K, V>>, key: K, value: V, is_of_use: fn(&V) -> bool) {
    let mut map = lock(map);
    if map.len() >= MOST && !map.contains_key(&key) {
        map.retain(|_, value| is_of_use(value));
        if map.len() >= MOST {
            map.clear();
        }
    }
    map.insert(key, value);
}

#[cfg(test)]
mod tests {
    use roadstead_storage::tables::principal::Kind;

    use super::*;

    fn principal(id: i64) -> Principal {
        Principal {
            id: PrincipalId(id),
            kind: Kind::User,
            name: String::new(),
            epoch: 7,
            disabled: false,
            sysadmin: false,
            expires_at: None,
        }
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_and_its_own() {
        let logins = Logins::default();
        for n in 0..25_000_u32 {
            let mut trace = [0; 32];
            trace[..4].copy_from_slice(&n.to_be_bytes());
            logins.remember(trace, &principal(n.into()));
            assert_eq!(logins.remembered(&trace), Some((PrincipalId(n.into()), 7)));
            logins.see(PrincipalId(n.into()));
            drop(logins.turn(trace).await);
        }
        assert!(lock(&logins.right).len() <= MOST);
        assert!(lock(&logins.seen).len() <= MOST);
        assert!(lock(&logins.under_way).len() <= MOST);
        assert_eq!(logins.remembered(&[9; 32]), None);
        assert!(!logins.is_familiar(&[9; 32]));
        assert!(logins.was_seen(PrincipalId(24_999), Duration::from_mins(1)));
        assert!(!logins.was_seen(PrincipalId(24_999), Duration::ZERO));
    }

    #[tokio::test]
    async fn one_login_waits_for_the_same_one_and_for_no_other() {
        let logins = Logins::default();
        let first = logins.turn([1; 32]).await;
        let moment = Duration::from_millis(50);
        assert!(timeout(moment, logins.turn([2; 32])).await.is_ok());
        assert!(timeout(moment, logins.turn([1; 32])).await.is_err());
        drop(first);
        assert!(timeout(moment, logins.turn([1; 32])).await.is_ok());
    }
}
