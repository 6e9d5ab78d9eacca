//! Transactions of work that nobody waits for: few at a time, so that whoever serves a client finds
//! the writer free, and each one measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::held::Held;
use super::{Db, Engine, Tx};
use crate::error::{Error, Result};

/// What the counts of [`Holds`] are sorted by, in milliseconds.
const BOUNDS: [u64; 9] = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/// How long transactions held what others wait for: the one writer of SQLite, rows on PostgreSQL.
#[derive(Debug, Default)]
pub struct Holds {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Holds {
    fn add(&self, held: Duration) {
        let place = BOUNDS.iter().position(|bound| held <= Duration::from_millis(*bound));
        self.counts[place.unwrap_or(BOUNDS.len())].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(held.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many lasted up to so many seconds, and longer than the bound before; the last one has
    /// those that lasted longer than all bounds.
    pub fn counts(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.iter().map(|bound| Duration::from_millis(*bound).as_secs_f64());
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        bounds.chain([f64::INFINITY]).zip(counts).collect()
    }

    /// How long all of them lasted together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

/// One transaction's turn, and its time, which counts when this is dropped.
pub(crate) struct Hold {
    holds: Arc<Holds>,
    since: Option<Instant>,
    _turn: OwnedSemaphorePermit,
}

impl Hold {
    /// From here on others wait.
    pub(crate) fn begins(&mut self) {
        self.since = Some(Instant::now());
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            self.holds.add(since.elapsed());
        }
    }
}

/// A way to write for work that can wait; clones share their turns and their figures.
#[derive(Clone)]
pub struct Background {
    db: Db,
    turns: Arc<Semaphore>,
    holds: Arc<Holds>,
}

impl Db {
    /// A way to write in the background. On SQLite one transaction of it at a time asks for the
    /// writer, so that a request never waits for two; on PostgreSQL it takes at most half of the
    /// connections.
    pub fn background(&self) -> Background {
        let most = match &self.engine {
            Engine::Postgres { writer, .. } => writer.options().get_max_connections() / 2,
            Engine::Sqlite { .. } => 1,
        };
        let turns = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(1).max(1)));
        Background { db: self.clone(), turns, holds: Arc::default() }
    }
}

impl Background {
    /// Starts a read-write transaction when it is its turn, as [`Db::begin`] does.
    pub async fn begin(&self) -> Result<Tx> {
        // Before the wait for a turn: whoever has one must not wait for the next.
        let claim = Held::claim();
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|error| Error::Batch(error.to_string()))?;
        let hold = Hold { holds: self.holds.clone(), since: None, _turn: turn };
        self.db.begin_held(claim, Some(hold)).await
    }

    /// How long its transactions held what others wait for.
    pub fn holds(&self) -> Arc<Holds> {
        self.holds.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(holds: &Holds) -> u64 {
        // On SQLite what was dropped ends a little later.
        tokio::time::sleep(Duration::from_millis(50)).await;
        holds.counts().iter().map(|(_, count)| count).sum()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_transaction_counts_once_and_only_while_it_holds_the_writer() {
        crate::testing::on_both_engines(async || {
            let (_directory, db) = crate::testing::database(4).await;
            let background = db.background();
            let holds = background.holds();
            let tx = background.begin().await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
            tx.commit().await.unwrap();
            drop(background.begin().await.unwrap());
            assert_eq!(count(&holds).await, 2, "{holds:?}");
            let long: u64 = holds.counts().iter().filter(|(to, _)| *to > 0.05).map(|c| c.1).sum();
            assert!(long >= 1, "{holds:?}");
            assert!(holds.sum() >= Duration::from_millis(60), "{holds:?}");
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_waits_for_one_transaction_of_the_background_at_most() {
        let (_directory, db) = crate::testing::database(4).await;
        let background = db.background();
        let first = background.begin().await.unwrap();
        let others: Vec<_> = (0..4)
            .map(|_| {
                let background = background.clone();
                tokio::spawn(async move {
                    let tx = background.begin().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    tx.commit().await.unwrap();
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let request = tokio::spawn(async move { db.begin().await.map(drop) });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let since = Instant::now();
        first.commit().await.unwrap();
        request.await.unwrap().unwrap();
        assert!(since.elapsed() < Duration::from_millis(400), "{:?}", since.elapsed());
        for other in others {
            other.await.unwrap();
        }
    }
}
