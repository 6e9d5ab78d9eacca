//! Which upload sessions are being written to in this process.
//!
//! The row's compare-and-set keeps two writers from both being acknowledged; this keeps them from
//! writing into each other's bytes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use roadstead_model::UploadId;

#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashSet<UploadId>>>);

/// The right to write to a session, until dropped.
pub(crate) struct Writing {
    sessions: Sessions,
    id: UploadId,
}

impl Sessions {
    /// None while somebody else writes to the session.
    pub(crate) fn enter(&self, id: UploadId) -> Option<Writing> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id).then(|| Writing { sessions: self.clone(), id })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut open = self.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.id);
    }
}
