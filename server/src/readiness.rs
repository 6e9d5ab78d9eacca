//! Whether the server can do its work: the database and the store are asked, not more often than
//! every second however many probes there are.

use std::time::{Duration, Instant};

use roadstead_storage::{Blobs, Db};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long an answer is repeated.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database and the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What cannot be worked without, and how it was when last looked at.
pub(crate) struct Readiness {
    db: Db,
    blobs: Blobs,
    last: Mutex<Option<(Instant, Option<&'static str>)>>,
}

impl Readiness {
    pub(crate) fn new(db: Db, blobs: Blobs) -> Self {
        Self { db, blobs, last: Mutex::new(None) }
    }

    /// What is missing; None when the server can work.
    pub(crate) async fn missing(&self) -> Option<&'static str> {
        // Probes that come while one looks wait for what it finds.
        let mut last = self.last.lock().await;
        if let Some((at, missing)) = *last
            && at.elapsed() < FRESH
        {
            return missing;
        }
        let before = last.and_then(|(_, missing)| missing);
        let missing = self.look(before).await;
        if before.is_some() && missing.is_none() {
            tracing::info!("ready again");
        }
        *last = Some((Instant::now(), missing));
        missing
    }

    async fn look(&self, before: Option<&'static str>) -> Option<&'static str> {
        let (database, store) =
            tokio::join!(timeout(PATIENCE, self.database()), timeout(PATIENCE, self.store()));
        let answers = [
            ("the database is not available", database),
            ("the blob store is not available", store),
        ];
        answers.into_iter().find_map(|(what, answer)| {
            let error = match answer {
                Ok(Ok(())) => return None,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer in {PATIENCE:?}"),
            };
            // Once, and not with every probe.
            if before != Some(what) {
                tracing::error!(error, "not ready: {what}");
            }
            Some(what)
        })
    }

    async fn database(&self) -> roadstead_storage::Result<()> {
        let mut conn = self.db.read().await?;
        conn.query("SELECT 1").fetch_one::<(i32,)>().await.map(drop)
    }

    async fn store(&self) -> roadstead_storage::Result<()> {
        self.blobs.answers().await
    }
}
