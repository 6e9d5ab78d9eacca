//! Purging the audit log: when its schedule is due, or when an administrator asked for it.

use std::time::Duration;

use roadstead_model::{Origin, PURGE_AUDIT_LOG, PurgeParameters, Repetition, Timestamp};
use roadstead_storage::Result;
use roadstead_storage::tables::audit::purge::{self, Position, Selection};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::execution::{self, Execution, Status};
use roadstead_storage::tables::schedule;
use tokio_util::sync::CancellationToken;

use crate::Worker;

/// How often schedules and requests are looked for.
const POLL: Duration = Duration::from_secs(1);
/// How many events one transaction deletes.
const BATCH: i64 = 1000;
/// After how many batches the log gets a line.
const BATCHES_PER_LINE: i64 = 100;
/// A worker that was silent for so long is gone.
const LOST_AFTER: Duration = Duration::from_mins(5);
/// How many executions are remembered, as in Harbor.
const KEPT: i64 = 10;

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
        self.give_up_lost_purges().await?;
        self.fire_schedule().await?;
        while !stop.is_cancelled()
            && let Some(execution) = self.take_purge().await?
        {
            self.run_purge(&execution, stop).await?;
        }
        Ok(())
    }

    async fn give_up_lost_purges(&self) -> Result<()> {
        let now = self.clock.now();
        let silent = Timestamp(now.0.saturating_sub(micros(LOST_AFTER)));
        if execution::has_silent(&mut self.db.read().await?, PURGE_AUDIT_LOG, silent).await? {
            let mut tx = self.db.begin().await?;
            execution::give_up(&mut tx, PURGE_AUDIT_LOG, silent, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Asks for an execution when the schedule is due, once on all replicas; however many moments
    /// have passed, for example while nothing ran.
    async fn fire_schedule(&self) -> Result<()> {
        let now = self.clock.now();
        let mut conn = self.db.read().await?;
        let Some(found) = schedule::find(&mut conn, PURGE_AUDIT_LOG).await? else {
            return Ok(());
        };
        let Some(due) = found.next_at.filter(|next| *next <= now) else {
            return Ok(());
        };
        let waiting = execution::first_pending(&mut conn, PURGE_AUDIT_LOG).await?;
        drop(conn);
        let repetition = Repetition::parse(&found.cron).ok();
        let next = repetition.and_then(|repetition| repetition.next(now));
        let mut tx = self.db.begin().await?;
        if !schedule::advance(&mut tx, PURGE_AUDIT_LOG, due, next).await? {
            return Ok(());
        }
        if waiting.is_none() {
            let parameters = &found.parameters;
            execution::insert(&mut tx, PURGE_AUDIT_LOG, "SCHEDULE", parameters, now).await?;
        }
        tx.commit().await
    }

    /// The next execution, if this worker got it. That it runs is an event, which is written
    /// before the first row goes.
    async fn take_purge(&self) -> Result<Option<Execution>> {
        let waiting = execution::first_pending(&mut self.db.read().await?, PURGE_AUDIT_LOG).await?;
        let Some(found) = waiting else {
            return Ok(None);
        };
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if !execution::begin(&mut tx, found.id, now).await? {
            return Ok(None);
        }
        let (name, origin) = (format!("execution {}", found.id), Origin::default());
        let actor = Actor { principal: None, name: "system", origin: &origin };
        let event = Event::of("purge", &name, "run").described(&found.parameters);
        audit::record(&mut tx, actor, event, now).await?;
        tx.commit().await?;
        Ok(Some(found))
    }

    async fn run_purge(&self, execution: &Execution, stop: &CancellationToken) -> Result<()> {
        let mut parameters: Option<PurgeParameters> =
            serde_json::from_str(&execution.parameters).ok();
        let (status, purged, line) = match &parameters {
            None => (Status::Error, None, "the parameters cannot be read".to_owned()),
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
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        execution::finish(&mut tx, execution.id, status, kept, &line, now).await?;
        execution::trim(&mut tx, PURGE_AUDIT_LOG, KEPT).await?;
        tx.commit().await
    }

    async fn purge(
        &self,
        execution: &Execution,
        parameters: &PurgeParameters,
        stop: &CancellationToken,
    ) -> Result<End> {
        let kept = Duration::from_hours(parameters.audit_retention_hour.max(1).unsigned_abs());
        let selection = Selection {
            types: parameters.event_types().map(str::to_owned).collect(),
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
                format!("{purged} events deleted so far")
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
    format!("{events} events older than {hours} hours {done}")
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
