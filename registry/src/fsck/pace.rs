//! A bound on how many bytes are read in a second.

use std::num::NonZeroU64;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Readers that share a rate wait for their turn here.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<NonZeroU64>,
    /// When what was read so far is paid for.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(rate: Option<NonZeroU64>) -> Self {
        Self { rate, paid: Mutex::new(None) }
    }

    /// Waits as long as reading `bytes` may take.
    pub(super) async fn spend(&self, bytes: u64) {
        let Some(rate) = self.rate else {
            return;
        };
        let until = {
            let mut paid = self.paid.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let now = Instant::now();
            let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
            let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
            // Time that nobody used is not saved up.
            let until = paid.map_or(now, |paid| paid.max(now)) + cost;
            *paid = Some(until);
            until
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_readers_together_keep_to_the_rate() {
        let pace = Pace::new(NonZeroU64::new(1000));
        let since = Instant::now();
        let reader = async {
            for _ in 0..10 {
                pace.spend(100).await;
            }
        };
        tokio::join!(reader, async {
            for _ in 0..10 {
                pace.spend(100).await;
            }
        });
        assert_eq!(since.elapsed().as_secs(), 2);
    }
}
