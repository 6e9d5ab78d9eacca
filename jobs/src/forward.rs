//! Forwarding audit events to a collector: each at least once, in the order of their rows.
//!
//! Syslog acknowledges nothing, and what a connection took may never have been read. So each batch
//! has a connection of its own, which both sides close: a collector that has read to the end
//! closes in an orderly way, one that died before does not, and then the batch is sent again.

use std::time::Duration;

use roadstead_model::Timestamp;
use roadstead_storage::tables::audit::{self, forward};
use roadstead_storage::tables::{lease, setting};
use roadstead_storage::{Conn, Result};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Worker;
use crate::syslog::{self, Endpoint, Entry, Forwarder};

/// How often the log is looked at.
const POLL: Duration = Duration::from_secs(1);
/// How many events travel on one connection at most.
const BATCH: i64 = 500;
/// How long one connection is used at most.
const LONGEST: Duration = Duration::from_secs(2);
/// How long one replica keeps the others from forwarding the same.
const LEASE: Duration = Duration::from_secs(10);
const LEASE_NAME: &str = "audit_forward";
/// How long to wait after failures: one second, then twice as long each time, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where events go, as administrators have set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Target {
    endpoint: String,
    /// PEM of the authorities that the collector's certificate may come from; empty for the
    /// system's.
    authorities: String,
    /// Whether events are removed here once they are there.
    only_there: bool,
}

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("audit_log_forward_endpoint or its certificate cannot be used: {0}")]
    Target(#[from] syslog::EndpointError),
    #[error("{0}")]
    Syslog(#[from] syslog::Error),
}

/// What forwarding remembers between batches.
#[derive(Default)]
struct State {
    /// The end of the lease that this replica has.
    held: Option<Timestamp>,
    /// How often in a row it failed, and for which target.
    failures: u32,
    failed: Target,
    retry_at: Option<Instant>,
}

impl State {
    fn must_wait_for(&self, target: &Target) -> bool {
        self.failed == *target && self.retry_at.is_some_and(|at| Instant::now() < at)
    }

    fn fail(&mut self, target: Target) -> Duration {
        let wait = POLL.saturating_mul(1 << self.failures.min(10)).min(LONGEST_WAIT);
        self.failures += 1;
        self.failed = target;
        self.retry_at = Some(Instant::now() + wait);
        wait
    }

    fn succeed(&mut self) {
        (self.failures, self.retry_at) = (0, None);
    }

    /// Fewer after each failure: a connection that breaks off early still brings something over.
    fn batch(&self) -> i64 {
        (BATCH >> self.failures.min(16)).max(1)
    }
}

impl Worker {
    /// Forwards what waits, every second, until it is told to stop.
    pub(crate) async fn keep_forwarding(&self, stop: &CancellationToken) {
        let mut state = State::default();
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            match stop.run_until_cancelled(self.forward_waiting(&mut state)).await {
                // What was cut off is sent again after the next start.
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(%error, "audit events could not be looked at for forwarding");
                }
            }
        }
        if let Err(error) = self.give_lease_back(state.held).await {
            tracing::warn!(%error, "the lease on forwarding stays until it ends");
        }
    }

    async fn forward_waiting(&self, state: &mut State) -> Result<()> {
        while self.forward_batch(state).await? {}
        Ok(())
    }

    /// Forwards the oldest events that wait; says whether there may be more to do at once.
    async fn forward_batch(&self, state: &mut State) -> Result<bool> {
        let mut conn = self.db.read().await?;
        let events = forward::waiting(&mut conn, state.batch()).await?;
        if events.is_empty() {
            return Ok(false);
        }
        let target = target(&mut conn).await?;
        drop(conn);
        if target.endpoint.is_empty() {
            state.succeed();
            return self.release_waiting().await;
        }
        if state.must_wait_for(&target) || !self.take_lease(state).await? {
            return Ok(false);
        }
        match deliver(&target, &events).await {
            Ok(sent) => {
                if state.failures > 0 {
                    tracing::info!(endpoint = target.endpoint, "audit events are forwarded again");
                }
                state.succeed();
                self.note_forwarded(&target, &events[..sent]).await?;
                Ok(true)
            }
            Err(error) => {
                let endpoint = target.endpoint.clone();
                let wait = state.fail(target);
                tracing::warn!(%error, endpoint, ?wait, "audit events wait to be forwarded");
                Ok(false)
            }
        }
    }

    /// Nobody wants them any more.
    async fn release_waiting(&self) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let released = forward::release(&mut tx, BATCH).await?;
        tx.commit().await?;
        Ok(released > 0)
    }

    async fn note_forwarded(&self, target: &Target, events: &[audit::Entry]) -> Result<()> {
        let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
        let mut tx = self.db.begin().await?;
        if target.only_there {
            forward::remove(&mut tx, &ids).await?;
        } else {
            forward::done(&mut tx, &ids).await?;
        }
        tx.commit().await
    }

    async fn take_lease(&self, state: &mut State) -> Result<bool> {
        let now = self.clock.now();
        if state.held.is_some_and(|end| now.after(LEASE / 2) < end) {
            return Ok(true);
        }
        let end = now.after(LEASE);
        let mut tx = self.db.begin().await?;
        let taken = lease::take(&mut tx, LEASE_NAME, state.held, end, now).await?;
        tx.commit().await?;
        state.held = taken.then_some(end);
        Ok(taken)
    }

    async fn give_lease_back(&self, held: Option<Timestamp>) -> Result<()> {
        let Some(held) = held else {
            return Ok(());
        };
        let mut tx = self.db.begin().await?;
        lease::release(&mut tx, LEASE_NAME, held).await?;
        tx.commit().await
    }
}

async fn target(conn: &mut Conn) -> Result<Target> {
    let endpoint = setting::get(conn, "config.audit_log_forward_endpoint").await?;
    let authorities = setting::get(conn, "config.audit_log_forward_ca_certificate").await?;
    let only_there = setting::get(conn, "config.skip_audit_log_database").await?;
    Ok(Target {
        endpoint: endpoint.unwrap_or_default(),
        authorities: authorities.unwrap_or_default(),
        only_there: only_there.is_some_and(|value| value == "true"),
    })
}

/// Sends events on a new connection; returns how many of them, from the first on, have arrived.
async fn deliver(target: &Target, events: &[audit::Entry]) -> Result<usize, Trouble> {
    let mut endpoint: Endpoint = target.endpoint.parse()?;
    if endpoint.is_tls() && !target.authorities.trim().is_empty() {
        endpoint = endpoint.trusting(target.authorities.as_bytes())?;
    }
    let mut forwarder = Forwarder::connect(&endpoint).await?;
    let began = Instant::now();
    let mut sent = 0;
    for event in events {
        forwarder.send(&entry(event)).await?;
        sent += 1;
        if began.elapsed() > LONGEST {
            break;
        }
    }
    forwarder.finish().await?;
    Ok(sent)
}

fn entry(event: &audit::Entry) -> Entry<'_> {
    Entry {
        id: event.id,
        at: event.at,
        actor: &event.actor,
        address: &event.address,
        request_id: &event.request_id,
        project_id: event.project.map(|id| id.0),
        operation: &event.operation,
        resource_type: &event.resource_type,
        resource: &event.resource,
        description: &event.description,
        succeeded: event.success,
    }
}

#[cfg(test)]
mod tests;
