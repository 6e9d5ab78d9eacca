//! Not faster than a number of rows in a second, however many work, and not for more than a part
//! of the time: where a row costs more, because others need the processor or the disk, fewer go.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How much longer than its work a batch rests, up to a moment.
const LEISURE: u32 = 7;
const LONGEST: Duration = Duration::from_millis(200);

/// The pace of a replica.
pub(crate) struct Pace {
    /// 0 is as fast as can be.
    rate: u32,
    /// When the next batch may begin.
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, next: Mutex::new(Instant::now()) }
    }

    /// Rests after a batch of so many rows that began at `began`.
    pub(crate) async fn rest(&self, rows: usize, began: Instant) {
        let wait = self.book(rows, began, Instant::now());
        if wait.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(wait).await;
        }
    }

    fn book(&self, rows: usize, began: Instant, now: Instant) -> Duration {
        if self.rate == 0 {
            return Duration::ZERO;
        }
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let cost = Duration::from_secs(1).saturating_mul(rows) / self.rate;
        let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *next = (*next).max(began) + cost;
        let leisure = now.saturating_duration_since(began).saturating_mul(LEISURE);
        next.saturating_duration_since(now).max(leisure.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_together_keep_the_pace_and_no_pause_is_made_up_for() {
        let pace = Pace::new(100);
        let began = Instant::now();
        assert_eq!(pace.book(50, began, began), Duration::from_millis(500));
        assert_eq!(pace.book(50, began, began), Duration::from_secs(1));
        let later = began + Duration::from_mins(1);
        assert_eq!(pace.book(50, later, later), Duration::from_millis(500));
        let slow = later + Duration::from_secs(10);
        assert_eq!(pace.book(50, later, slow), LONGEST, "it took its time");
        assert_eq!(Pace::new(0).book(1_000_000, began, began), Duration::ZERO);
    }
}
