//! How many rows are looked at at once: as many as fit into a time that whoever waits for them does
//! not notice.

use std::time::{Duration, Instant};

/// A piece that took longer was too large, one that took less than half of it too small. But a few
/// rows are always looked at together: asking the database at all takes time, too.
const PIECE: Duration = Duration::from_millis(5);
/// After so long a transaction begins no other piece.
const ENOUGH: Duration = Duration::from_millis(10);
/// After so long a transaction is given up and done again in smaller pieces, unless it is about a
/// single row.
const TOO_LONG: Duration = Duration::from_millis(30);
/// How many pieces a transaction has at most.
const PIECES: usize = 4;

/// How large the next piece is. What it is about may be slow today, so it starts with a few rows.
#[derive(Debug)]
pub(super) struct Piece {
    size: usize,
    few: usize,
    most: usize,
}

impl Piece {
    pub(super) fn up_to(most: usize) -> Self {
        let few = (most / 10).max(1);
        Self { size: few, few, most }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The most rows of a transaction that goes on while there is time.
    pub(super) fn several(&self) -> usize {
        self.size * PIECES
    }

    /// Learns from how long a piece of so many rows took.
    pub(super) fn learn(&mut self, rows: usize, took: Duration) {
        if self.size < self.few && took < TOO_LONG / 2 {
            self.size = (self.size * 2).min(self.few);
        } else if self.size > self.few && took > PIECE {
            self.size = (rows / 2).max(self.few);
        } else if rows >= self.size && took < PIECE / 2 {
            self.size = (rows * 2).min(self.most);
        }
    }

    /// Does a piece of a transaction that began at `since`; None when it takes too long.
    pub(super) async fn in_time<T>(
        &mut self,
        since: Instant,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        if self.size == 1 {
            return Some(work.await);
        }
        let left = TOO_LONG.saturating_sub(since.elapsed());
        let done = tokio::time::timeout(left, work).await.ok();
        if done.is_none() {
            self.size = (self.size / 4).max(1);
        }
        done
    }
}

/// Whether a transaction that began at `since` should end.
pub(super) fn is_enough(since: Instant) -> bool {
    since.elapsed() > ENOUGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_large_as_what_fits_into_its_time() {
        let mut piece = Piece::up_to(200);
        (0..20).for_each(|_| piece.learn(piece.size(), PIECE / 4));
        assert_eq!(piece.size(), 200);
        piece.learn(200, PIECE * 3 / 4);
        piece.learn(7, PIECE / 4);
        assert_eq!(piece.size(), 200, "the end of a queue says nothing");
        piece.learn(200, PIECE * 2);
        assert_eq!(piece.size(), 100);
        (0..20).for_each(|_| piece.learn(piece.size(), PIECE * 2));
        assert_eq!(piece.size(), 20, "asking takes time, too");
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up_until_it_is_a_single_row() {
        let mut piece = Piece::up_to(200);
        assert_eq!(piece.size(), 20);
        let slow = || tokio::time::sleep(Duration::from_secs(1));
        assert_eq!(piece.in_time(Instant::now(), slow()).await, None);
        assert_eq!(piece.size(), 5);
        assert_eq!(piece.in_time(Instant::now(), slow()).await, None);
        assert_eq!(piece.size(), 1);
        assert_eq!(piece.in_time(Instant::now(), slow()).await, Some(()));
        piece.learn(1, TOO_LONG);
        assert_eq!(piece.size(), 1);
        (0..5).for_each(|_| piece.learn(piece.size(), TOO_LONG / 3));
        assert_eq!(piece.size(), 20, "it was for a while");
    }
}
