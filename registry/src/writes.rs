//! Whether the store of blobs takes writes. A disk that failed several times in a minute is left
//! alone for a while: pushes are refused before they move bytes, pulls go on. Then one push after
//! the other may try again, and the first that works ends it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roadstead_storage::Error as StorageError;
use tokio::time::Instant;

use crate::error::{Error, Result};

/// So many failures within this time are no accident.
const FAILURES: usize = 3;
const WITHIN: Duration = Duration::from_mins(1);
/// How long writes are refused then.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct State {
    failures: VecDeque<Instant>,
    /// The end of the pause, and what failed; stays until a write has worked.
    paused: Option<(Instant, String)>,
}

/// What is known of writing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes(Arc<Mutex<State>>);

impl Writes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses while there is a pause.
    pub(crate) fn require(&self) -> Result<()> {
        match &self.state().paused {
            Some((until, why)) if *until > Instant::now() => Err(Error::WritesPaused(why.clone())),
            _ => Ok(()),
        }
    }

    /// Why writes are refused, or were until a moment ago and nothing has worked since.
    pub(crate) fn refused(&self) -> Option<String> {
        self.state().paused.as_ref().map(|(_, why)| why.clone())
    }

    /// Notes a failure. A full disk is none: it says so itself, every time.
    pub(crate) fn failed(&self, error: &StorageError) {
        if !matches!(error, StorageError::Io { .. }) {
            return;
        }
        let (mut state, now) = (self.state(), Instant::now());
        state.failures.push_back(now);
        while state.failures.front().is_some_and(|first| now.duration_since(*first) > WITHIN) {
            state.failures.pop_front();
        }
        let still = state.paused.is_some();
        if still || state.failures.len() >= FAILURES {
            if !still {
                tracing::error!(%error, "writing blobs fails: pushes are refused for a while");
            }
            state.paused = Some((now + PAUSE, error.to_string()));
        }
    }

    /// Notes that bytes were made durable.
    pub(crate) fn worked(&self) {
        let (mut state, now) = (self.state(), Instant::now());
        // What began before the pause proves nothing about what comes after it.
        if state.paused.as_ref().is_some_and(|(until, _)| *until <= now) {
            tracing::warn!("writing blobs works again: pushes are taken");
            *state = State::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_minute_pause_writes_until_one_works() {
        let writes = Writes::default();
        let io = || StorageError::Io {
            what: "sync a blob".to_owned(),
            source: std::io::Error::other("broken"),
        };
        writes.failed(&io());
        writes.failed(&StorageError::Full("blobs"));
        writes.failed(&StorageError::Full("blobs"));
        tokio::time::advance(WITHIN * 2).await;
        writes.failed(&io());
        writes.failed(&io());
        assert!(writes.require().is_ok() && writes.refused().is_none());
        writes.failed(&io());
        assert!(writes.require().is_err());
        writes.worked();
        assert!(writes.require().is_err(), "an upload from before ended it");
        tokio::time::advance(PAUSE).await;
        assert!(writes.require().is_ok() && writes.refused().is_some());
        writes.failed(&io());
        assert!(writes.require().is_err(), "one more failure is enough now");
        tokio::time::advance(PAUSE).await;
        writes.worked();
        assert!(writes.refused().is_none());
    }
}
