//! Collections that an administrator asked for, or that their schedule asks for.

use std::collections::HashSet;
use std::sync::Arc;

use roadstead_model::{CollectionParameters, GARBAGE_COLLECTION};
use roadstead_storage::Result;
use roadstead_storage::tables::execution::{self, Execution, Status};
use tokio_util::sync::CancellationToken;

use super::history::with_results;
use super::journal::Kept;
use super::{Mode, Sweep, Tally};
use crate::Worker;
use crate::executions::{POLL, Work};

/// What runs here; as in Harbor, 50 executions are remembered.
pub(super) const WORK: Work = Work { job: GARBAGE_COLLECTION, event: "gc", kept: 50 };

/// The most workers that an execution may ask for.
const MOST_WORKERS: i64 = 10;

impl Worker {
    /// Collects whenever it is asked for, until it is told to stop.
    pub(crate) async fn keep_collecting_on_demand(self: &Arc<Self>, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            if let Err(error) = self.collect_what_is_asked_for(stop).await {
                tracing::warn!(%error, "collecting garbage failed; it is tried again");
            }
        }
    }

    pub(super) async fn collect_what_is_asked_for(
        self: &Arc<Self>,
        stop: &CancellationToken,
    ) -> Result<()> {
        self.give_up_lost(&WORK).await?;
        self.fire_schedules(&WORK).await?;
        while !stop.is_cancelled()
            && let Some(execution) = self.take(&WORK).await?
        {
            self.run_collection(&execution, stop).await?;
        }
        Ok(())
    }

    async fn run_collection(
        self: &Arc<Self>,
        execution: &Execution,
        stop: &CancellationToken,
    ) -> Result<()> {
        let read = serde_json::from_str::<CollectionParameters>(&execution.parameters);
        let Ok(parameters) = read else {
            let line = "the parameters cannot be read";
            return self.finish(&WORK, execution, Status::Error, &execution.parameters, line).await;
        };
        let mode = if parameters.delete_untagged { Mode::AllUntagged } else { Mode::Policy };
        let workers = usize::try_from(parameters.workers.clamp(1, MOST_WORKERS)).unwrap_or(1);
        let what = (mode, parameters.forget_deleted);
        let sweep = Sweep::new(self, what, workers, Some(execution.id), stop);
        self.note_beginning(execution.id, &parameters, workers).await?;
        let (done, ran) = if parameters.dry_run {
            ("would be collected (dry run)", sweep.preview().await)
        } else {
            ("collected", collected(&sweep).await)
        };
        let tally = ran.as_ref().map_or_else(|_| sweep.tally(), |(tally, _)| *tally);
        let told = format!("{}{}", sweep.journal().end(), tally.line(done));
        let (status, line) = match &ran {
            Ok(_) if stop.is_cancelled() => {
                (Status::Stopped, format!("{told}; the server stopped"))
            }
            Ok((_, kept)) => (Status::Success, format!("{told}\n{}", kept.lines(&tally))),
            Err(error) => {
                tracing::warn!(%error, execution = execution.id, "a collection failed");
                let line = "the database or the store failed; the server's log says more";
                (Status::Error, format!("{told}; {line}"))
            }
        };
        let results = with_results(&parameters, &tally);
        if sweep.ended() {
            return self.note_results(execution.id, &results).await;
        }
        self.finish(&WORK, execution, status, &results, &line).await
    }

    /// The first line of the log.
    async fn note_beginning(
        &self,
        id: i64,
        parameters: &CollectionParameters,
        workers: usize,
    ) -> Result<()> {
        let CollectionParameters { delete_untagged, forget_deleted, dry_run, .. } = parameters;
        let line = format!(
            "workers: {workers}, delete_untagged: {delete_untagged}, \
             forget_deleted: {forget_deleted}, dry_run: {dry_run}"
        );
        let mut tx = self.background.begin().await?;
        execution::progress(&mut tx, id, &line, self.clock.now()).await?;
        tx.commit().await
    }

    /// What came of an execution that somebody stopped.
    async fn note_results(&self, id: i64, results: &str) -> Result<()> {
        let mut tx = self.background.begin().await?;
        execution::note(&mut tx, id, results).await?;
        tx.commit().await
    }
}

async fn collected(sweep: &Arc<Sweep>) -> Result<(Tally, Kept)> {
    sweep.run().await?;
    let none = HashSet::new();
    Ok((sweep.tally(), sweep.kept(&none, &none).await?))
}
