//! Purging the audit log: when its schedule is due, or when an administrator asked for it.

use std::time::Duration;

use roadstead_model::{ARTIFACT_EVENTS, OTHER_EVENTS, PURGE_AUDIT_LOG, PurgeParameters, Timestamp};
use roadstead_storage::Result;
use roadstead_storage::tables::audit::EVENT_TYPES;
use roadstead_storage::tables::audit::purge::{self, Position, Selection};
use roadstead_storage::tables::execution::{self, Execution, Status};
use tokio_util::sync::CancellationToken;

use crate::Worker;
use crate::executions::{POLL, Work, micros};

/// What runs here; as in Harbor, 10 executions are remembered.
const WORK: Work = Work { job: PURGE_AUDIT_LOG, event: "purge", kept: 10 };
/// How many events one transaction deletes.
const BATCH: i64 = 1000;
/// After how many batches the log gets a line.
const BATCHES_PER_LINE: i64 = 100;

/// How deleting came to its end, with the number of events that went.
enum End {
    Done(i64),
    /// The server stops.
    Interrupted(i64),
    /// Somebody has ended the execution already.
    Elsewhere,
}

impl Worker {
    /// Purges whenever it is asked for, until it is told to stop.
    pub(crate) async fn keep_purging(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            if let Err(error) = self.purge_what_is_asked_for(stop).await {
                tracing::warn!(%error, "purging the audit log failed; it is tried again");
            }
        }
    }

    pub(crate) async fn purge_what_is_asked_for(&self, stop: &CancellationToken) -> Result<()> {
        self.give_up_lost(&WORK).await?;
        self.fire_schedules(&WORK).await?;
        while !stop.is_cancelled()
            && let Some(execution) = self.take(&WORK).await?
        {
            self.run_purge(&execution, stop).await?;
        }
        Ok(())
    }

    async fn run_purge(&self, execution: &Execution, stop: &CancellationToken) -> Result<()> {
        let mut parameters: Option<PurgeParameters> =
            serde_json::from_str(&execution.parameters).ok();
        let (status, purged, line) = match &parameters {
            None => (Status::Error, None, "the parameters cannot be read".to_owned()),
            Some(_) if !self.note_beginning_of_purge(execution.id).await? => return Ok(()),
            Some(parameters) => match self.purge(execution, parameters, stop).await {
                Ok(End::Elsewhere) => return Ok(()),
                Ok(End::Done(n)) => (Status::Success, Some(n), summary(parameters, n)),
                Ok(End::Interrupted(n)) => {
                    let line = format!("{}; the server stopped", summary(parameters, n));
                    (Status::Stopped, Some(n), line)
                }
                Err(error) => {
                    tracing::warn!(%error, execution = execution.id, "a purge failed");
                    let line = "the database failed; the server's log says more";
                    (Status::Error, None, line.to_owned())
                }
            },
        };
        if let Some(parameters) = &mut parameters {
            parameters.purged = purged;
        }
        let kept = parameters.and_then(|parameters| serde_json::to_string(&parameters).ok());
        let kept = kept.as_deref().unwrap_or(&execution.parameters);
        self.finish(&WORK, execution, status, kept, &line).await
    }

    /// The first line of the log, in Harbor's words; false when somebody has ended the execution.
    async fn note_beginning_of_purge(&self, id: i64) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let line = "Purge audit job start";
        let goes_on = execution::progress(&mut tx, id, line, self.clock.now()).await?;
        tx.commit().await?;
        Ok(goes_on)
    }

    async fn purge(
        &self,
        execution: &Execution,
        parameters: &PurgeParameters,
        stop: &CancellationToken,
    ) -> Result<End> {
        let kept = Duration::from_hours(parameters.audit_retention_hour.max(1).unsigned_abs());
        let selection = Selection {
            types: types(parameters),
            before: Timestamp(self.clock.now().0.saturating_sub(micros(kept))),
        };
        if parameters.dry_run {
            let count = purge::count(&mut self.db.read().await?, &selection).await?;
            return Ok(End::Done(count));
        }
        let (mut purged, mut batches, mut behind) = (0, 0, Position::START);
        loop {
            if stop.is_cancelled() {
                return Ok(End::Interrupted(purged));
            }
            let mut conn = self.db.read().await?;
            let (ids, last) = purge::batch(&mut conn, &selection, behind, BATCH).await?;
            drop(conn);
            if ids.is_empty() {
                return Ok(End::Done(purged));
            }
            batches += 1;
            let line = if batches % BATCHES_PER_LINE == 0 {
                format!("{purged} rows of audit logs deleted so far")
            } else {
                String::new()
            };
            let mut tx = self.db.begin().await?;
            if !execution::progress(&mut tx, execution.id, &line, self.clock.now()).await? {
                return Ok(End::Elsewhere);
            }
            let removed = purge::remove(&mut tx, &ids).await?;
            tx.commit().await?;
            purged += i64::try_from(removed).unwrap_or(i64::MAX);
            behind = last;
        }
    }
}

fn summary(parameters: &PurgeParameters, events: i64) -> String {
    let hours = parameters.audit_retention_hour;
    let done = if parameters.dry_run { "would be deleted (dry run)" } else { "deleted" };
    format!("{events} rows of audit logs older than {hours} hours {done}")
}

/// The types of events that go.
fn types(parameters: &PurgeParameters) -> Vec<String> {
    let asked: Vec<&str> = parameters.event_types().collect();
    let is_asked = |name: &&&str| {
        asked.contains(name) || asked.contains(&OTHER_EVENTS) && !ARTIFACT_EVENTS.contains(name)
    };
    EVENT_TYPES.iter().filter(is_asked).map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests;
