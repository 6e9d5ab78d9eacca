//! Failing at once while the store is gone, instead of letting every request wait for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use object_store::Error as ObjectError;
use tokio::time::Instant;

use crate::error::{Error, Result};

/// After how many failures in a row the store is left alone.
const FAILURES: u32 = 5;

/// For how long; then a single request tries it.
const REST: Duration = Duration::from_secs(3);

#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    /// Until when the store is left alone.
    rests_until: Option<Instant>,
}

/// A request on its way.
pub(super) struct Turn<'a>(&'a Breaker);

impl Breaker {
    /// Lets a request through.
    ///
    /// # Errors
    /// [`Error::StoreResting`] while the store is left alone.
    pub(super) fn enter(&self) -> Result<Turn<'_>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match state.rests_until {
            Some(until) if now < until => return Err(Error::StoreResting),
            // This one tries; the others go on waiting for what it finds.
            Some(_) => state.rests_until = Some(now + REST),
            None => {}
        }
        Ok(Turn(self))
    }

    /// Lets somebody through who only looks whether the store is there.
    pub(super) fn look(&self) -> Turn<'_> {
        Turn(self)
    }
}

impl Turn<'_> {
    /// Notes how the request ended. A store that refuses something is there.
    pub(super) fn note(self, error: Option<&ObjectError>) {
        let failed = matches!(error, Some(ObjectError::Generic { .. }));
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed {
            if state.rests_until.is_some() {
                tracing::info!("the object store answers again");
            }
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            if state.rests_until.is_none() {
                tracing::error!(error = ?error.map(ToString::to_string), "the object store fails");
            }
            state.rests_until = Some(Instant::now() + REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> ObjectError {
        ObjectError::Generic { store: "test", source: "gone".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_gone_is_tried_by_one_request_at_a_time() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.enter().unwrap().note(Some(&failure()));
        }
        assert!(matches!(breaker.enter(), Err(Error::StoreResting)));
        tokio::time::advance(REST).await;
        let trying = breaker.enter().unwrap();
        assert!(matches!(breaker.enter(), Err(Error::StoreResting)));
        trying.note(None);
        breaker.enter().unwrap().note(None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_was_looked_for_and_found_is_open_to_everybody_at_once() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.look().note(Some(&failure()));
        }
        assert!(matches!(breaker.enter(), Err(Error::StoreResting)));
        breaker.look().note(None);
        assert!(breaker.enter().is_ok());
    }

    #[tokio::test]
    async fn a_refusal_is_no_failure() {
        let breaker = Breaker::default();
        for _ in 0..2 * FAILURES {
            let refusal = ObjectError::NotFound { path: "x".into(), source: "not there".into() };
            breaker.enter().unwrap().note(Some(&refusal));
        }
        assert!(breaker.enter().is_ok());
    }
}
