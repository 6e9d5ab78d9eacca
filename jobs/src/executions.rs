//! Executions of work that is asked for or scheduled: taking one, and ending it. One of all replicas
//! does it.

use std::time::Duration;

use roadstead_model::{Origin, Repetition, SCHEDULER, Timestamp};
use roadstead_storage::tables::audit::{self, Actor, Event};
use roadstead_storage::tables::execution::{self, Execution, Status, queues, vendor};
use roadstead_storage::tables::paused_job;
use roadstead_storage::tables::schedule::{self, Schedule};
use roadstead_storage::{Result, Tx};

use crate::Worker;

/// How often schedules and requests are looked for.
pub(crate) const POLL: Duration = Duration::from_secs(1);
/// A worker that was silent for so long is gone.
pub(crate) const LOST_AFTER: Duration = Duration::from_mins(5);

/// A kind of work.
pub(crate) struct Work {
    /// Its name in the database and the API.
    pub(crate) job: &'static str,
    /// What its audit events are about.
    pub(crate) event: &'static str,
    /// How many executions are remembered.
    pub(crate) kept: i64,
}

impl Worker {
    pub(crate) async fn give_up_lost(&self, work: &Work) -> Result<()> {
        let now = self.clock.now();
        let silent = Timestamp(now.0.saturating_sub(micros(LOST_AFTER)));
        if execution::has_silent(&mut self.db.read().await?, work.job, silent).await? {
            let mut tx = self.db.begin().await?;
            execution::give_up(&mut tx, work.job, silent, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Asks for an execution for each schedule that is due, once on all replicas; however many
    /// moments have passed, for example while nothing ran, or schedules were paused.
    pub(crate) async fn fire_schedules(&self, work: &Work) -> Result<()> {
        let now = self.clock.now();
        let mut conn = self.db.read().await?;
        let due = schedule::due(&mut conn, work.job, now).await?;
        if due.is_empty() || paused_job::is_paused(&mut conn, SCHEDULER).await? {
            return Ok(());
        }
        drop(conn);
        for found in due {
            self.fire(&found, now).await?;
        }
        Ok(())
    }

    async fn fire(&self, found: &Schedule, now: Timestamp) -> Result<()> {
        let Some(due) = found.next_at else {
            return Ok(());
        };
        let vendor = (found.job.as_str(), found.vendor);
        let repetition = Repetition::parse(&found.cron).ok();
        let next = repetition.and_then(|repetition| repetition.next(now));
        let mut tx = self.db.begin().await?;
        if !schedule::advance(&mut tx, vendor, due, next).await? {
            return Ok(());
        }
        if vendor::waiting(&mut tx, vendor).await? == 0 {
            let parameters = &found.parameters;
            vendor::insert(&mut tx, vendor, "SCHEDULE", parameters, now).await?;
        }
        tx.commit().await
    }

    /// Whether a kind of work is paused.
    pub(crate) async fn is_paused(&self, job: &str) -> Result<bool> {
        paused_job::is_paused(&mut self.db.read().await?, job).await
    }

    /// The next execution, if this worker got it and the work is not paused. That it runs is an
    /// event, which is written before the first row goes.
    pub(crate) async fn take(&self, work: &Work) -> Result<Option<Execution>> {
        let waiting = execution::first_pending(&mut self.db.read().await?, work.job).await?;
        let Some(found) = waiting else {
            return Ok(None);
        };
        if self.is_paused(work.job).await? {
            return Ok(None);
        }
        let tx = self.db.begin().await?;
        let begun = self.begin(tx, work, &found).await?;
        Ok(begun.then_some(found))
    }

    /// Begins an execution that waits, in a transaction that is committed here; false when somebody
    /// else did.
    pub(crate) async fn begin(&self, mut tx: Tx, work: &Work, found: &Execution) -> Result<bool> {
        let now = self.clock.now();
        if !queues::begin(&mut tx, found.id, &self.pool.id, now).await? {
            return Ok(false);
        }
        let (name, origin) = (format!("execution {}", found.id), Origin::default());
        let actor = Actor { principal: None, name: "system", origin: &origin };
        let event = Event::of(work.event, &name, "run").described(&found.parameters);
        audit::record(&mut tx, actor, event, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends an execution, with what came of it.
    pub(crate) async fn finish(
        &self,
        work: &Work,
        execution: &Execution,
        status: Status,
        parameters: &str,
        line: &str,
    ) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        execution::finish(&mut tx, execution.id, status, parameters, line, now).await?;
        execution::trim(&mut tx, work.job, work.kept).await?;
        tx.commit().await
    }
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
