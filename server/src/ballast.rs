//! Looking after the space that is kept for the database.

use std::time::Duration;

use roadstead_storage::{Ballast, Tended};
use tokio_util::sync::CancellationToken;

/// How often the disk is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Looks at the disk once.
pub(crate) fn tend(ballast: &Ballast) {
    match ballast.tend() {
        Ok(Tended::Nothing) => {}
        Ok(Tended::Dropped) => tracing::error!(
            "the disk is full: the space that is kept for the database is given back, so that \
             deletes work; free some, or make the disk larger"
        ),
        Ok(Tended::Taken) => tracing::info!("space for the database is kept on the disk"),
        Err(error) => tracing::debug!(%error, "the ballast could not be looked after"),
    }
}

/// Looks at the disk until told to stop.
pub(crate) async fn keep(ballast: Option<Ballast>, stop: CancellationToken) {
    let Some(ballast) = ballast.map(std::sync::Arc::new) else {
        return;
    };
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let ballast = ballast.clone();
        // A failed task has nothing to say that the next one would not.
        let _ = tokio::task::spawn_blocking(move || tend(&ballast)).await;
    }
}
