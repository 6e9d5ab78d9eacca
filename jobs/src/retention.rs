//! Retention: deleting what the rules of a project's policy do not keep.
//!
//! An execution decides about one repository after the other, which is a task each. What is decided
//! is written down before anything is deleted, and deleted in short transactions, each of which
//! makes sure that the execution is still this worker's. So it may be cut off anywhere: whoever goes
//! on finds what is left to do, and decides nothing anew.

mod delete;
mod plan;
mod told;

use std::sync::Arc;
use std::time::Duration;

use roadstead_model::{ProjectId, RETENTION, RetentionParameters, RetentionRule, Rule, Timestamp};
use roadstead_storage::tables::execution::{self, Execution, Status, vendor};
use roadstead_storage::tables::retention::task::{self, Task};
use roadstead_storage::tables::retention::{self, Policy};
use roadstead_storage::{Result, Turn, Tx};
use tokio_util::sync::CancellationToken;

use crate::Worker;
use crate::executions::{POLL, Work, micros};

/// What runs here; of each policy so many executions are remembered.
const WORK: Work = Work { job: RETENTION, event: "retention", kept: 10 };
/// A worker that was silent for so long is gone, and somebody else goes on. If it is not gone, it
/// finds out before it changes anything.
const SILENT: Duration = Duration::from_secs(30);

/// How an execution, or a part of it, came to its end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    /// The server stops.
    Interrupted,
    /// The execution is not this worker's any more.
    Elsewhere,
}

/// An execution that this worker is at.
struct Run<'a> {
    worker: &'a Worker,
    stop: &'a CancellationToken,
    execution: i64,
    /// What started it.
    trigger: String,
    policy: i64,
    project: ProjectId,
    project_name: String,
    rules: Vec<Rule>,
    parameters: RetentionParameters,
    /// From when ages are counted.
    as_of: Timestamp,
}

impl Worker {
    /// Executes policies whenever that is asked for, until it is told to stop.
    pub(crate) async fn keep_retaining(self: &Arc<Self>, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            if let Err(error) = self.retain_what_is_asked_for(stop).await {
                tracing::warn!(%error, "a retention failed; it is tried again");
            }
        }
    }

    async fn retain_what_is_asked_for(&self, stop: &CancellationToken) -> Result<()> {
        self.take_back_silent().await?;
        self.fire_schedules(&WORK).await?;
        while !stop.is_cancelled()
            && let Some(execution) = self.take_retention().await?
        {
            self.run_retention(&execution, stop).await?;
        }
        Ok(())
    }

    async fn take_back_silent(&self) -> Result<()> {
        let now = self.clock.now();
        let silent = Timestamp(now.0.saturating_sub(micros(SILENT)));
        if execution::has_silent(&mut self.db.read().await?, RETENTION, silent).await? {
            let mut tx = self.db.begin().await?;
            vendor::take_back(&mut tx, RETENTION, silent, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The next execution, if this worker got it. Of each policy one runs at a time.
    async fn take_retention(&self) -> Result<Option<Execution>> {
        let waiting = vendor::first_pending(&mut self.db.read().await?, RETENTION).await?;
        if waiting.is_none() || self.is_paused(RETENTION).await? {
            return Ok(None);
        }
        let mut tx = self.db.begin_turn(Turn::Executions).await?;
        let Some(found) = vendor::first_pending(&mut tx, RETENTION).await? else {
            return Ok(None);
        };
        let begun = self.begin(tx, &WORK, &found).await?;
        Ok(begun.then_some(found))
    }

    async fn run_retention(&self, found: &Execution, stop: &CancellationToken) -> Result<()> {
        let policy = retention::find(&mut self.db.read().await?, found.vendor).await?;
        let run = match policy {
            None => Err("the policy is gone".to_owned()),
            Some(policy) => self.plan(found, &policy, stop).await?,
        };
        let run = match run {
            Ok(Some(run)) => run,
            Ok(None) => return Ok(()),
            Err(reason) => return self.end_retention(found, Status::Error, &reason).await,
        };
        match run.all_tasks().await? {
            End::Elsewhere => Ok(()),
            End::Interrupted => {
                let mut tx = self.db.begin().await?;
                let line = "the server stops; somebody goes on";
                let now = self.clock.now();
                vendor::hand_back(&mut tx, found.id, &self.pool.id, line, now).await?;
                tx.commit().await
            }
            End::Done => {
                let failed = task::has_failed(&mut self.db.read().await?, found.id).await?;
                let (status, line) = if failed {
                    (Status::Error, "ended; not every task did its work")
                } else {
                    (Status::Success, "ended")
                };
                self.end_retention(found, status, line).await
            }
        }
    }

    async fn end_retention(&self, found: &Execution, status: Status, line: &str) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if !vendor::holds(&mut tx, found.id, &self.pool.id, now).await? {
            return Ok(());
        }
        let kept = execution::queues::find(&mut tx, found.id).await?;
        let parameters = kept.map_or_else(|| found.parameters.clone(), |kept| kept.parameters);
        execution::finish(&mut tx, found.id, status, &parameters, line, now).await?;
        vendor::trim(&mut tx, (RETENTION, found.vendor), WORK.kept).await?;
        tx.commit().await
    }

    /// What the execution is to do, with a task for each repository; None when it is somebody
    /// else's by now, or a text for people when it cannot be done.
    async fn plan<'a>(
        &'a self,
        found: &Execution,
        policy: &Policy,
        stop: &'a CancellationToken,
    ) -> Result<Result<Option<Run<'a>>, String>> {
        let mut parameters: RetentionParameters =
            serde_json::from_str(&found.parameters).unwrap_or_default();
        let is_planned = parameters.rules.is_some();
        let rules = match parameters.rules.take() {
            Some(rules) => rules,
            None => match serde_json::from_str(&policy.text.rules) {
                Ok(rules) => rules,
                Err(_) => return Ok(Err("the rules cannot be read".to_owned())),
            },
        };
        let in_force = rules.iter().filter(|rule| !rule.disabled).map(RetentionRule::read);
        let read = match in_force.collect::<Result<Vec<Rule>, _>>() {
            Ok(read) => read,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let as_of = parameters.as_of.map_or_else(|| self.clock.now(), Timestamp);
        (parameters.rules, parameters.as_of) = (Some(rules), Some(as_of.0));
        let project = policy.project;
        let mut conn = self.db.read().await?;
        let named = roadstead_storage::tables::project::find_by_id(&mut conn, project).await?;
        drop(conn);
        let project_name = named.map_or_else(String::new, |project| project.name);
        let run = Run {
            worker: self,
            stop,
            execution: found.id,
            trigger: found.kind.clone(),
            policy: policy.id,
            project,
            project_name,
            rules: read,
            parameters,
            as_of,
        };
        if !is_planned && !run.make_tasks().await? {
            return Ok(Ok(None));
        }
        Ok(Ok(Some(run)))
    }
}

impl Run<'_> {
    /// Does one task after the other.
    async fn all_tasks(&self) -> Result<End> {
        loop {
            if self.stop.is_cancelled() {
                return Ok(End::Interrupted);
            }
            let next = task::next(&mut self.worker.db.read().await?, self.execution).await?;
            let Some(next) = next else {
                return Ok(End::Done);
            };
            let end = match self.one_task(&next).await {
                Ok(end) => end,
                Err(error) => {
                    let (execution, repository) = (self.execution, &next.repository_name);
                    tracing::warn!(%error, execution, repository, "a task of retention failed");
                    let note = "The database failed; the server's log says more.\n";
                    self.end_task(&next, Status::Error, note).await?
                }
            };
            if end != End::Done {
                return Ok(end);
            }
        }
    }

    async fn one_task(&self, next: &Task) -> Result<End> {
        if next.status == Status::Pending.name() && !self.decide(next).await? {
            return Ok(End::Elsewhere);
        }
        match self.delete_all(next).await? {
            End::Done => self.end_task(next, Status::Success, "").await,
            other => Ok(other),
        }
    }

    /// Ends a task, and tells whoever wants to hear of it.
    async fn end_task(&self, ended: &Task, status: Status, note: &str) -> Result<End> {
        let Some(mut tx) = self.begin().await? else {
            return Ok(End::Elsewhere);
        };
        let now = self.worker.clock.now();
        task::finish(&mut tx, ended.id, status, note, now).await?;
        self.tell(&mut tx, ended, status, now).await?;
        tx.commit().await?;
        Ok(End::Done)
    }

    /// A transaction, if the execution is still this worker's. The project's row comes first, as
    /// with everybody who changes content.
    async fn begin(&self) -> Result<Option<Tx>> {
        let worker = self.worker;
        let mut tx = worker.background.begin().await?;
        roadstead_storage::tables::project::share(&mut tx, self.project).await?;
        let now = worker.clock.now();
        let held = vendor::holds(&mut tx, self.execution, &worker.pool.id, now).await?;
        Ok(held.then_some(tx))
    }
}

#[cfg(test)]
mod tests;
