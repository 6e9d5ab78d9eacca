//! Who is served when: targets in turn, each by one task.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use roadstead_storage::Result;
use roadstead_storage::tables::webhook_delivery;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Teller;
use crate::Worker;
use crate::executions::POLL;

/// How many targets are served at once.
const AT_ONCE: usize = 16;
/// How many rows a target is told before it is the next one's turn.
const IN_TURN: usize = 20;
/// How many rows may wait for one target; older ones are given up.
const MOST_WAITING: i64 = 10_000;
/// How many rows of a policy are remembered; Harbor's number.
const KEPT: i64 = 50;
/// How long a target that fails is left alone at most, whatever waits for it.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// How much longer than its requests a worker has a row.
const MARGIN: Duration = Duration::from_secs(30);
/// How many requests one attempt has at most.
const REQUESTS: u32 = 6;

/// The tasks that run.
#[derive(Default)]
struct Running {
    tasks: JoinSet<bool>,
    targets: HashMap<Id, i64>,
    /// Targets that failed, and until when they rest.
    resting: HashMap<i64, Instant>,
    /// The target that had the last turn.
    last: i64,
}

impl Running {
    fn is_free(&self, target: i64) -> bool {
        !self.resting.contains_key(&target) && !self.targets.values().any(|it| *it == target)
    }

    fn ended(&mut self, id: Id, well: bool, rest: Duration) {
        if let Some(target) = self.targets.remove(&id)
            && !well
        {
            self.resting.insert(target, Instant::now() + rest);
        }
    }
}

impl Worker {
    /// Tells what waits until it is told to stop; what was begun is finished.
    pub(crate) async fn keep_telling(self: Arc<Self>, stop: &CancellationToken) {
        let Some(teller) = &self.webhooks else {
            return;
        };
        let rest = teller.settings.backoff.min(LONGEST_REST);
        let mut running = Running::default();
        while !stop.is_cancelled() {
            if let Err(error) = self.serve_due(&mut running, stop).await {
                tracing::warn!(%error, "webhooks could not be looked at");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(POLL.min(rest)) => {}
                Some(ended) = running.tasks.join_next_with_id() => match ended {
                    Ok((id, well)) => running.ended(id, well, rest),
                    Err(error) => running.ended(error.id(), false, rest),
                }
            }
        }
        while running.tasks.join_next().await.is_some() {}
    }

    /// Starts a task for each target that has something waiting, as far as there is room.
    async fn serve_due(
        self: &Arc<Self>,
        running: &mut Running,
        stop: &CancellationToken,
    ) -> Result<()> {
        let (moment, now) = (Instant::now(), self.clock.now());
        running.resting.retain(|_, until| *until > moment);
        let room = AT_ONCE.saturating_sub(running.targets.len());
        let mut conn = self.db.read().await?;
        if room == 0
            || !webhook_delivery::is_anything_due(&mut conn, now).await?
            || webhook_delivery::is_switched_off(&mut conn).await?
        {
            return Ok(());
        }
        // Those that are busy or rest are among them.
        let busy = running.resting.len() + running.targets.len();
        let limit = i64::try_from(AT_ONCE + busy).unwrap_or(i64::MAX);
        let mut due = webhook_delivery::due(&mut conn, running.last, now, limit).await?;
        if due.len() < room {
            due.extend(webhook_delivery::due(&mut conn, 0, now, limit).await?);
        }
        drop(conn);
        let mut started = 0;
        for target in due {
            if started < room && running.is_free(target) {
                let (worker, stop) = (self.clone(), stop.clone());
                let task = running.tasks.spawn(async move { worker.serve(target, &stop).await });
                running.targets.insert(task.id(), target);
                running.last = target;
                started += 1;
            }
        }
        Ok(())
    }

    /// Tells one target what waits for it; false when it had better be left alone for a while.
    async fn serve(&self, target: i64, stop: &CancellationToken) -> bool {
        let Some(teller) = &self.webhooks else {
            return true;
        };
        self.tell_in_turn(teller, target, stop).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a webhook was not noted; it is told again");
            false
        })
    }

    async fn tell_in_turn(
        &self,
        teller: &Teller,
        target: i64,
        stop: &CancellationToken,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        tx.give_way().await?;
        let now = self.clock.now();
        let lost = webhook_delivery::give_up_beyond(&mut tx, target, MOST_WAITING, now).await?;
        tx.commit().await?;
        if lost > 0 {
            tracing::warn!(target, lost, "too many webhooks wait for a target; the oldest go");
            teller.figures.given_up.fetch_add(lost, Ordering::Relaxed);
        }
        let lease = teller.settings.timeout.saturating_mul(REQUESTS) + MARGIN;
        let (mut policy, mut well) = (None, true);
        for _ in 0..IN_TURN {
            if stop.is_cancelled() || !well {
                break;
            }
            let now = self.clock.now();
            let mut tx = self.db.begin().await?;
            let taken = webhook_delivery::take(&mut tx, target, now, now.after(lease)).await?;
            tx.commit().await?;
            let Some(taken) = taken else { break };
            policy = Some(taken.policy);
            well = self.tell(teller, &taken, target).await?;
        }
        if let Some(policy) = policy {
            let mut tx = self.db.begin().await?;
            tx.give_way().await?;
            webhook_delivery::trim(&mut tx, policy, KEPT).await?;
            tx.commit().await?;
        }
        Ok(well)
    }
}
