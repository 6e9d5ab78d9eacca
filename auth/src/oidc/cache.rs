//! The provider's endpoints and keys, kept for an hour.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use roadstead_model::{Clock, Timestamp};

use super::client::Http;
use super::discovery::{self, Endpoints};
use super::error::{Error, Result};
use super::keys::{self, Keys};
use super::reach::Reach;
use super::settings::Settings;

/// How long endpoints and keys are good without asking again.
const FRESH: Duration = Duration::from_hours(1);
/// How long they are used when the provider does not answer: its outage stops nobody at once, and
/// a key that it withdrew is not believed for long.
const USABLE: Duration = Duration::from_hours(2);
/// The least time between two requests for them, whoever sends tokens with unknown keys.
const PAUSE: Duration = Duration::from_secs(30);

/// What the provider said at one time.
pub(super) struct Loaded {
    pub(super) endpoints: Endpoints,
    pub(super) keys: Keys,
    at: Timestamp,
}

#[derive(Default)]
struct State {
    loaded: Option<Arc<Loaded>>,
    /// When the last attempt ended, and how.
    tried: Option<(Timestamp, Result<Arc<Loaded>>)>,
}

/// Asks the provider, and remembers.
pub(super) struct Cache {
    pub(super) http: Http,
    issuer: String,
    reach: Reach,
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    /// Held by whoever asks; nobody else waits who has what they need.
    asking: tokio::sync::Mutex<()>,
}

impl Cache {
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let reach = Reach::of(&settings.issuer()?);
        Ok(Arc::new(Self {
            http: Http::new(settings, reach.clone())?,
            issuer: settings.endpoint.clone(),
            reach,
            clock,
            state: RwLock::default(),
            asking: tokio::sync::Mutex::default(),
        }))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Endpoints and keys, at most an hour old, or two when the provider does not answer.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<Loaded>> {
        let loaded = self.loaded();
        match loaded {
            Some(loaded) if self.now() < loaded.at.after(FRESH) => Ok(loaded),
            stale => self.newer_than(stale.clone()).await.or_else(|error| {
                stale.filter(|stale| self.now() < stale.at.after(USABLE)).ok_or(error)
            }),
        }
    }

    /// Asks again because `seen` was not enough, unless that was done a moment ago; then the
    /// outcome is the same.
    pub(super) async fn newer_than(
        self: &Arc<Self>,
        seen: Option<Arc<Loaded>>,
    ) -> Result<Arc<Loaded>> {
        let cache = Arc::clone(self);
        // A task of its own: a browser that goes away does not make the next one ask again.
        let task = tokio::spawn(async move { cache.ask(seen).await });
        task.await.unwrap_or(Err(Error::Unavailable("the request for its keys was ended")))
    }

    async fn ask(&self, seen: Option<Arc<Loaded>>) -> Result<Arc<Loaded>> {
        let _asking = self.asking.lock().await;
        if let Some(outcome) = self.known_outcome(seen.as_ref()) {
            return outcome;
        }
        let outcome = self.fetch().await.map(Arc::new);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.tried = Some((self.now(), outcome.clone()));
        if let Ok(new) = &outcome {
            state.loaded = Some(Arc::clone(new));
        }
        outcome
    }

    /// What somebody else was answered while this request waited, or a moment ago.
    fn known_outcome(&self, seen: Option<&Arc<Loaded>>) -> Option<Result<Arc<Loaded>>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let (at, outcome) = state.tried.as_ref()?;
        let is_new = |loaded: &Arc<Loaded>| seen.is_none_or(|seen| !Arc::ptr_eq(loaded, seen));
        let known = outcome.as_ref().is_ok_and(is_new) || self.now() < at.after(PAUSE);
        known.then(|| outcome.clone())
    }

    async fn fetch(&self) -> Result<Loaded> {
        let endpoints = discovery::fetch(&self.http, &self.issuer, &self.reach).await?;
        let keys: keys::Document = self.http.get(&endpoints.keys, None).await?.json()?;
        Ok(Loaded { endpoints, keys: keys.into(), at: self.now() })
    }

    fn loaded(&self) -> Option<Arc<Loaded>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).loaded.clone()
    }
}
