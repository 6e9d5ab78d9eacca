//! One way through all queues, by one worker or by several.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use roadstead_storage::Result;
use roadstead_storage::tables::gc_queue::{self, Kind};
use roadstead_storage::tables::{deleted, execution, tag_history, tombstone, upload};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Tally;
use super::deleted::{ENDING, HISTORY};
use super::journal::Journal;
use super::manifests::MANIFESTS;
use super::piece::Piece;
use super::stages::OBJECTS;
use super::tally::Outcome;
use crate::Worker;

/// How often an execution shows a sign of life and asks whether it is to stop.
const PULSE: Duration = Duration::from_secs(1);
/// After how many signs of life its log gets a line.
const PULSES_PER_LINE: u32 = 10;
/// How long a batch waits that another transaction was in the way of,
const AGAIN: Duration = Duration::from_millis(50);
/// and how often one after the other at most, before the collection has failed.
const MOST_IN_VAIN: u32 = 100;

/// How many rows are looked at at once at most.
const ROWS: usize = 200;

/// Which manifests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Those that the policy lets go.
    Policy,
    /// All without a tag, because somebody asked for it.
    AllUntagged,
}

/// What kind of batch is worked on.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Sessions,
    Deleted,
    Queue(Kind),
    Objects,
    History,
}

impl Stage {
    fn most_at_once(self) -> usize {
        match self {
            Self::Queue(Kind::Manifest | Kind::Referrer) => MANIFESTS,
            Self::Queue(Kind::Link | Kind::Blob) | Self::Sessions => ROWS,
            Self::Deleted => ENDING,
            Self::Objects => OBJECTS,
            Self::History => HISTORY,
        }
    }
}

/// A way through all queues, and how far it is.
pub(super) struct Sweep {
    pub(super) worker: Arc<Worker>,
    pub(super) mode: Mode,
    /// Whether nothing that was deleted is kept any longer.
    pub(super) forget: bool,
    stop: CancellationToken,
    workers: usize,
    /// Whose signs of life are given.
    execution: Option<i64>,
    ended: AtomicBool,
    tally: Mutex<Tally>,
    journal: Mutex<Journal>,
    pulse: Mutex<(Instant, u32)>,
}

impl Sweep {
    pub(super) fn new(
        worker: &Arc<Worker>,
        (mode, forget): (Mode, bool),
        workers: usize,
        execution: Option<i64>,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let pulse = Mutex::new((Instant::now(), 0));
        let (ended, tally, journal) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        let (worker, stop) = (worker.clone(), stop.clone());
        Arc::new(Self {
            worker,
            mode,
            forget,
            stop,
            workers,
            execution,
            ended,
            tally,
            journal,
            pulse,
        })
    }

    /// What went so far.
    pub(super) fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody ended the execution.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether somebody reads what goes.
    pub(super) fn tells(&self) -> bool {
        self.execution.is_some()
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was committed.
    pub(super) fn note(&self, outcome: Outcome) {
        self.count(outcome.tally);
        if self.tells() {
            self.journal().add(outcome.gone);
        }
    }

    pub(super) fn count(&self, tally: Tally) {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) += tally;
        self.worker.figures.add(&tally);
    }

    /// Goes once through everything, in the order in which one thing sets the next one free.
    pub(super) async fn run(self: &Arc<Self>) -> Result<()> {
        self.drain(Stage::Sessions).await?;
        self.drain(Stage::Deleted).await?;
        if self.mode == Mode::AllUntagged {
            self.walk_untagged().await?;
        }
        for kind in Kind::ALL {
            self.drain(Stage::Queue(kind)).await?;
        }
        self.drain(Stage::History).await?;
        self.delete_objects().await
    }

    /// Only what needs no clock to be right.
    pub(super) async fn delete_objects(self: &Arc<Self>) -> Result<()> {
        self.drain(Stage::Objects).await
    }

    /// Nobody opens a transaction, or begins work together, for nothing.
    async fn drain(self: &Arc<Self>, stage: Stage) -> Result<()> {
        let now = self.worker.clock.now();
        let ends_before = self.ends_before().await;
        let mut conn = self.worker.db.read().await?;
        let some = match stage {
            Stage::Deleted => deleted::has_due(&mut conn, ends_before).await?,
            Stage::History => match self.forgotten_before() {
                Some(before) => tag_history::has_older(&mut conn, before).await?,
                None => false,
            },
            Stage::Sessions => upload::count_expired(&mut conn, now).await? > 0,
            Stage::Queue(kind) => gc_queue::has_due(&mut conn, kind, now).await?,
            Stage::Objects => tombstone::has_due(&mut conn, now, &self.worker.db_epoch).await?,
        };
        drop(conn);
        if !some {
            return Ok(());
        }
        // Tasks of their own, because a task has one connection to the database at a time.
        let mut others = JoinSet::new();
        for _ in 1..self.workers {
            let sweep = self.clone();
            others.spawn(async move { sweep.drain_alone(stage).await });
        }
        let mut result = self.drain_alone(stage).await;
        while let Some(other) = others.join_next().await {
            result = result.and(other.unwrap_or(Ok(())));
        }
        result
    }

    async fn drain_alone(&self, stage: Stage) -> Result<()> {
        let mut piece = Piece::up_to(stage.most_at_once());
        let mut in_vain = 0;
        while self.goes_on().await? {
            let began = Instant::now();
            let rows = match self.some_of(stage, &mut piece).await {
                Err(error) if error.is_contention() && in_vain < MOST_IN_VAIN => {
                    in_vain += 1;
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                done => done?,
            };
            in_vain = 0;
            if rows == 0 {
                break;
            }
            self.worker.pace.rest(rows, began).await;
        }
        Ok(())
    }

    async fn some_of(&self, stage: Stage, piece: &mut Piece) -> Result<usize> {
        match stage {
            Stage::Sessions => self.close_sessions(piece).await,
            Stage::Deleted => self.end_deleted(piece).await,
            Stage::History => self.forget_history(piece).await,
            Stage::Queue(kind) => self.batch(kind, piece).await,
            Stage::Objects => self.delete_some_objects(piece).await,
        }
    }

    /// Whether there is to be another batch; gives the execution's sign of life, if it is time.
    pub(super) async fn goes_on(&self) -> Result<bool> {
        if self.stop.is_cancelled() || self.ended() {
            return Ok(false);
        }
        let (Some(id), Some(pulses)) = (self.execution, self.beat()) else {
            return Ok(true);
        };
        let mut line = self.journal().take();
        if pulses % PULSES_PER_LINE == 0 {
            line.push_str(&format!("{} so far", self.tally().line("collected")));
        }
        let mut tx = self.worker.background.begin().await?;
        if execution::progress(&mut tx, id, &line, self.worker.clock.now()).await? {
            tx.commit().await?;
            return Ok(true);
        }
        self.ended.store(true, Ordering::Relaxed);
        Ok(false)
    }

    /// How many signs of life there were with this one, when it is time for one.
    fn beat(&self) -> Option<u32> {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        if pulse.0.elapsed() < PULSE {
            return None;
        }
        *pulse = (Instant::now(), pulse.1 + 1);
        Some(pulse.1)
    }
}
