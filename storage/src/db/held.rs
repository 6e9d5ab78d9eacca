//! The rule that keeps pools from starving each other: a task has one connection at a time. With a
//! second one, all connections could be held by tasks that wait for another.
//!
//! Debug builds, and with them all tests, look at every connection that is handed out. Outside of
//! tasks (in commands) there is nobody to wait for.

/// A connection that is handed out, while it is.
#[derive(Debug)]
pub(super) struct Held {
    #[cfg(debug_assertions)]
    task: Option<tokio::task::Id>,
}

#[cfg(debug_assertions)]
mod tasks {
    use std::collections::HashSet;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use tokio::task::Id;

    static HOLDING: Mutex<Option<HashSet<Id>>> = Mutex::new(None);

    pub(super) fn holding() -> MutexGuard<'static, Option<HashSet<Id>>> {
        HOLDING.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(debug_assertions)]
impl Held {
    /// Before a connection is waited for. A task that has one already is a fault of the program.
    pub(super) fn claim() -> Self {
        Self::require_none();
        let task = tokio::task::try_id();
        if let Some(id) = task {
            tasks::holding().get_or_insert_default().insert(id);
        }
        Self { task }
    }

    /// Requires that the task has no connection.
    pub(super) fn require_none() {
        let Some(id) = tokio::task::try_id() else {
            return;
        };
        let holds = tasks::holding().as_ref().is_some_and(|holding| holding.contains(&id));
        let from = holds.then(std::backtrace::Backtrace::force_capture);
        assert!(!holds, "a task takes a second connection while it has one:\n{from:?}");
    }
}

#[cfg(debug_assertions)]
impl Drop for Held {
    fn drop(&mut self) {
        if let Some(id) = self.task
            && let Some(holding) = tasks::holding().as_mut()
        {
            holding.remove(&id);
        }
    }
}

#[cfg(not(debug_assertions))]
impl Held {
    pub(super) fn claim() -> Self {
        Self {}
    }

    pub(super) fn require_none() {}
}
