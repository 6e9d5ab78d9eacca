//! Projects that were found to have no quota a moment ago.
//!
//! Room is asked for before and while bytes arrive, so that a client is told early. Whether the
//! blob may be there is decided by the statement that counts it, which remembers nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roadstead_model::ProjectId;
use tokio::time::Instant;

const FOR: Duration = Duration::from_millis(500);
const MOST: usize = 4096;

#[derive(Clone, Default)]
pub(crate) struct Unlimited(Arc<Mutex<HashMap<ProjectId, Instant>>>);

impl Unlimited {
    fn found(&self) -> MutexGuard<'_, HashMap<ProjectId, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, project: ProjectId) -> bool {
        self.found().get(&project).is_some_and(|at| at.elapsed() < FOR)
    }

    pub(super) fn note(&self, project: ProjectId) {
        let mut found = self.found();
        if found.len() >= MOST {
            found.clear();
        }
        found.insert(project, Instant::now());
    }
}
