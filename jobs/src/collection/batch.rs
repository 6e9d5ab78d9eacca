//! A batch of queued rows, in pieces; where one fails as a whole, row by row.

use std::time::{Duration, Instant};

use roadstead_storage::tables::gc_queue::{self, Entry, Kind};
use roadstead_storage::{Error, Result, Tx};

use super::Sweep;
use super::piece::{Piece, is_enough};
use super::tally::{Outcome, count};

/// When a row is tried again that somebody else was busy with.
const BUSY: Duration = Duration::from_secs(1);

/// Which rows a transaction is about.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    /// The next ones that are due, and those behind them while there is time.
    Due,
    /// Those of a walk that are still there: one piece.
    Walked(&'a [Entry]),
}

impl Sweep {
    /// Looks at the next rows that are due; returns how many there were.
    pub(super) async fn batch(&self, kind: Kind, piece: &mut Piece) -> Result<usize> {
        loop {
            if let Some(rows) = self.attempt(kind, Rows::Due, piece).await? {
                return Ok(rows);
            }
        }
    }

    /// Looks at rows in one transaction; how many, or None when it took too long and nothing was
    /// done: then the next piece is smaller.
    pub(super) async fn attempt(
        &self,
        kind: Kind,
        rows: Rows<'_>,
        piece: &mut Piece,
    ) -> Result<Option<usize>> {
        let mut at = Vec::new();
        match self.in_pieces(kind, rows, piece, &mut at).await {
            Err(error) if is_refusal(&error) => self.one_by_one(kind, &at).await.map(Some),
            result => result,
        }
    }

    /// Leaves in `at` the piece that it came to.
    async fn in_pieces(
        &self,
        kind: Kind,
        rows: Rows<'_>,
        piece: &mut Piece,
        at: &mut Vec<Entry>,
    ) -> Result<Option<usize>> {
        let now = self.worker.clock.now();
        let mut tx = self.worker.background.begin().await?;
        let since = Instant::now();
        tx.give_way().await?;
        let found = match rows {
            Rows::Due => gc_queue::due(&mut tx, kind, now, count(piece.several())).await?,
            Rows::Walked(entries) => {
                // Should that be refused, these are to be tried alone.
                at.extend_from_slice(entries);
                gc_queue::take(&mut tx, kind, entries).await?
            }
        };
        let (mut outcome, mut done) = (Outcome::default(), 0);
        for entries in found.chunks(piece.size()) {
            entries.clone_into(at);
            let began = Instant::now();
            match piece.in_time(since, self.judge(&mut tx, kind, entries)).await {
                Some(Ok(judged)) => outcome += judged,
                // The rows are to be free when they are taken again: locked ones are left out, and
                // a queue without others would seem empty.
                Some(Err(error)) => return tx.rollback().await.and(Err(error)),
                None => return tx.rollback().await.map(|()| None),
            }
            done += entries.len();
            piece.learn(entries.len(), began.elapsed());
            if is_enough(since) {
                break;
            }
        }
        if done > 0 {
            tx.commit().await?;
            self.note(outcome);
        }
        Ok(Some(done))
    }

    /// The same for rows that failed together. What is referred to after all leaves the queue;
    /// what somebody else is busy with waits.
    pub(super) async fn one_by_one(&self, kind: Kind, entries: &[Entry]) -> Result<usize> {
        for entry in entries {
            match self.alone(kind, entry).await {
                Err(Error::Reference) if kind == Kind::Link || kind == Kind::Blob => {
                    let mut tx = self.worker.background.begin().await?;
                    gc_queue::remove(&mut tx, kind, &[*entry]).await?;
                    tx.commit().await?;
                }
                Err(error) if is_refusal(&error) => {
                    let later = self.worker.clock.now().after(BUSY);
                    let mut tx = self.worker.background.begin().await?;
                    gc_queue::defer(&mut tx, kind, entry, later).await?;
                    tx.commit().await?;
                }
                result => result?,
            }
        }
        Ok(entries.len())
    }

    async fn alone(&self, kind: Kind, entry: &Entry) -> Result<()> {
        let mut tx = self.worker.background.begin().await?;
        tx.give_way().await?;
        let taken = gc_queue::take(&mut tx, kind, &[*entry]).await?;
        let outcome = self.judge(&mut tx, kind, &taken).await?;
        tx.commit().await?;
        self.note(outcome);
        Ok(())
    }

    pub(super) async fn judge(
        &self,
        tx: &mut Tx,
        kind: Kind,
        entries: &[Entry],
    ) -> Result<Outcome> {
        if entries.is_empty() {
            return Ok(Outcome::default());
        }
        match kind {
            Kind::Manifest | Kind::Referrer => self.judge_manifests(tx, kind, entries).await,
            Kind::Link => self.judge_links(tx, entries).await,
            Kind::Blob => self.judge_blobs(tx, entries).await,
        }
    }
}

/// Whether the rows themselves are the trouble, and not the database.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Reference) || error.is_contention()
}
