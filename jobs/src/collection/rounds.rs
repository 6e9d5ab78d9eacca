//! What goes on by itself, every interval.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roadstead_model::GARBAGE_COLLECTION;
use roadstead_storage::Result;
use roadstead_storage::tables::{gc_queue, setting};
use tokio_util::sync::CancellationToken;

use super::clock_guard::ClockGuard;
use super::piece::Piece;
use super::tally::count;
use super::{Mode, Sweep};
use crate::Worker;

/// The setting that says which policy the queue was looked at with.
const POLICY: &str = "collection.untagged";
/// How many manifests are woken at once at most when the policy changes.
const WOKEN: usize = 100;
/// How often at most expired logins are forgotten, and what waits is counted.
const SELDOM: Duration = Duration::from_secs(10);

impl Worker {
    pub(crate) async fn keep_collecting(
        self: &Arc<Self>,
        interval: Duration,
        stop: &CancellationToken,
    ) {
        let mut guard = ClockGuard::new(self.clock.now(), Instant::now());
        let mut counted = None;
        while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            let time_is_sound = guard.allows(self.clock.now(), Instant::now(), self.policy.lease);
            if let Err(error) = self.round(time_is_sound, stop).await {
                tracing::warn!(%error, "background work failed; the next round tries again");
            }
            if counted.is_none_or(|at: Instant| at.elapsed() >= SELDOM) {
                counted = Some(Instant::now());
                if let Err(error) = self.forget_logins().await {
                    tracing::warn!(%error, "expired logins could not be forgotten");
                }
                if let Err(error) = self.count_backlog().await {
                    tracing::warn!(%error, "what waits for collection could not be counted");
                }
            }
        }
    }

    /// Does once what is done every interval, unless that is paused.
    pub(super) async fn round(
        self: &Arc<Self>,
        time_is_sound: bool,
        stop: &CancellationToken,
    ) -> Result<()> {
        if self.is_paused(GARBAGE_COLLECTION).await? {
            return Ok(());
        }
        let sweep = Sweep::new(self, (Mode::Policy, false), self.policy.workers, None, stop);
        let ran = if time_is_sound {
            self.follow_policy(stop).await?;
            sweep.run().await
        } else {
            sweep.delete_objects().await
        };
        let tally = sweep.tally();
        self.remember(&tally).await?;
        if tally != super::Tally::default() {
            tracing::info!("{}", tally.line("collected"));
        }
        ran
    }

    /// What an older policy kept is looked at again under this one.
    async fn follow_policy(&self, stop: &CancellationToken) -> Result<()> {
        let name = self.policy.untagged.name();
        let known = setting::get(&mut self.db.read().await?, POLICY).await?;
        if known.as_deref() == Some(&name) {
            return Ok(());
        }
        let (mut last, mut piece) = (None, Piece::up_to(WOKEN));
        while !stop.is_cancelled() {
            let (began, now) = (Instant::now(), self.clock.now());
            let mut conn = self.db.read().await?;
            let kind = gc_queue::Kind::Manifest;
            let entries =
                gc_queue::walk(&mut conn, kind, last.as_ref(), count(piece.size())).await?;
            drop(conn);
            let mut tx = self.background.begin().await?;
            let since = Instant::now();
            last = entries.last().copied();
            if last.is_none() {
                setting::set(&mut tx, POLICY, &name).await?;
                return tx.commit().await;
            }
            gc_queue::wake(&mut tx, kind, &entries, now).await?;
            piece.learn(entries.len(), since.elapsed());
            tx.commit().await?;
            self.pace.rest(entries.len(), began).await;
        }
        Ok(())
    }

    async fn count_backlog(&self) -> Result<()> {
        let now = self.clock.now();
        let backlog = gc_queue::backlog(&mut self.db.read().await?, now).await?;
        let age = backlog.oldest.map_or(0, |oldest| (now.0 - oldest.0).max(0));
        let age = Duration::from_micros(age.unsigned_abs());
        self.figures.set_backlog(backlog, age.as_secs_f64());
        Ok(())
    }
}
