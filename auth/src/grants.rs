//! What was granted a moment ago, so that a client that pulls an image asks the database once.
//!
//! Remembered is what a caller may do on a repository, under a keyed hash of the credentials as
//! they were sent. It is believed until somebody's rights change
//! ([`Generations::of_rights`](roadstead_storage::Generations::of_rights)), until the credentials
//! end, and for [`BELIEVED`](roadstead_storage::BELIEVED) at most. Refusals are not remembered.

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use quick_cache::sync::Cache;
use roadstead_model::{Action, Origin, RepositoryName, Timestamp};
use roadstead_storage::tables::project::Place;
use roadstead_storage::{Remembered, Stamp};

use crate::access::Grant;
use crate::authenticate::Auth;
use crate::caller::Caller;
use crate::error::Result;
use crate::randomness;

/// How many grants are remembered at most.
const MOST: usize = 20_000;

/// A keyed hash of credentials and a repository's name; useless without this process's key.
type Trace = [u8; 32];

struct Granted {
    caller: Caller,
    place: Place,
    actions: Arc<[Action]>,
    ends: Option<Timestamp>,
}

/// Grants of the last seconds.
pub(crate) struct Grants {
    key: hmac::Key,
    known: Cache<Trace, Arc<Remembered<Granted>>>,
}

/// A question that memory did not answer; what is found out is remembered with it.
#[derive(Debug)]
pub struct Asked {
    /// None when the answer cannot be remembered.
    trace: Option<Trace>,
    stamp: Stamp,
    since: Instant,
}

impl Grants {
    pub(crate) fn new() -> Result<Self> {
        let mut key = [0; 32];
        randomness::fill(&mut key)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), known: Cache::new(MOST) })
    }

    /// None for what is not one set of credentials.
    fn trace(&self, headers: &HeaderMap, name: &RepositoryName) -> Option<Trace> {
        let mut credentials = headers.get_all(AUTHORIZATION).iter();
        let first = credentials.next().map_or(&[][..], |value| value.as_bytes());
        if credentials.next().is_some() {
            return None;
        }
        let mut context = hmac::Context::with_key(&self.key);
        // No name has a line break, so that the two cannot be cut in another place.
        context.update(name.as_str().as_bytes());
        context.update(b"\n");
        context.update(first);
        let mut trace = [0; 32];
        trace.copy_from_slice(context.sign().as_ref());
        Some(trace)
    }
}

impl Auth {
    /// The grant that the same credentials got a moment ago for the same repository.
    ///
    /// # Errors
    /// A question to answer, and to [`remember`](Self::remember) the answer with.
    pub fn recall(
        &self,
        headers: &HeaderMap,
        origin: &Origin,
        name: &RepositoryName,
        action: Action,
    ) -> Result<Grant, Asked> {
        let stamp = self.db.generations().of_rights();
        let asked = |trace| Asked { trace, stamp, since: Instant::now() };
        // What another server changed a moment ago may stop a pull a little later, but no push may
        // meet a repository that is not there any more.
        if action != Action::Pull && self.db.is_shared() {
            return Err(asked(None));
        }
        let Some(trace) = self.grants.trace(headers, name) else {
            return Err(asked(None));
        };
        let remembered = self.grants.known.get(&trace);
        let granted = remembered.as_ref().and_then(|remembered| remembered.get(stamp));
        let granted = granted.filter(|granted| {
            granted.actions.contains(&action)
                && granted.ends.is_none_or(|end| end > self.clock.now())
        });
        let Some(granted) = granted else {
            return Err(asked(Some(trace)));
        };
        let caller = granted.caller.coming_from(origin.clone());
        Ok(Grant::again(caller, name.clone(), granted.place, granted.actions.clone()))
    }

    /// Remembers what was granted. A repository that is not there yet may come to be, which
    /// changes nobody's rights; so nothing is remembered of it.
    pub fn remember(&self, asked: &Asked, grant: &Grant) {
        let (place, actions) = grant.parts();
        let (Some(trace), Some(_)) = (asked.trace, place.repository) else {
            return;
        };
        let ends = grant.caller().ends();
        let caller = grant.caller().coming_from(Origin::default());
        let granted = Granted { caller, place, actions: actions.clone(), ends };
        let remembered = Remembered::new(granted, asked.stamp, asked.since);
        self.grants.known.insert(trace, Arc::new(remembered));
    }
}
