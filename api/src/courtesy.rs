//! Reading the administration gives way to pulls and pushes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// What part of the time the runtime's threads must have worked for it to be busy.
const BUSY: f64 = 0.6;
/// How long they are looked at.
const WINDOW: Duration = Duration::from_millis(100);
/// What was seen longer ago tells nothing.
const FORGOTTEN: Duration = Duration::from_secs(1);
/// How long a request lets others go first.
const PAUSE: Duration = Duration::from_millis(25);

/// Lets requests that read wait a moment while the server is busy. Who reads a list page after page asks
/// for the next one as soon as there is one, and so would get a fair part of the processor whatever a
/// page costs. A single request, and whoever is alone, does not wait.
#[derive(Debug)]
pub(crate) struct Courtesy(Mutex<Seen>);

/// What was seen of the runtime's threads.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    /// How long they had worked until then, all together.
    worked: Duration,
    /// Whether they were busy before.
    busy: bool,
}

impl Seen {
    /// What is to be believed later, when they have worked so long: unchanged for a while.
    fn later(self, at: Instant, worked: Duration, threads: usize) -> Self {
        let time = at.saturating_duration_since(self.at);
        if time < WINDOW {
            return self;
        }
        let threads = u32::try_from(threads).unwrap_or(u32::MAX);
        let share =
            worked.saturating_sub(self.worked).as_secs_f64() / (time * threads).as_secs_f64();
        Self { at, worked, busy: time < FORGOTTEN && share > BUSY }
    }
}

impl Courtesy {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Seen { at: Instant::now(), worked: Duration::ZERO, busy: false }))
    }

    /// Waits if the server is busy.
    pub(crate) async fn give_way(&self) {
        if self.is_busy() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn is_busy(&self) -> bool {
        let metrics = Handle::current().metrics();
        let threads = metrics.num_workers();
        let worked = (0..threads).map(|thread| metrics.worker_total_busy_duration(thread)).sum();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = seen.later(Instant::now(), worked, threads);
        seen.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_busy_when_they_worked_most_of_the_time_not_long_ago() {
        let start = Instant::now();
        let first = Seen { at: start, worked: Duration::ZERO, busy: false };
        let after = |seen: Seen, passed: u64, worked: u64| {
            seen.later(seen.at + Duration::from_millis(passed), Duration::from_millis(worked), 2)
        };
        assert!(!after(first, 99, 198).busy, "too short to tell");
        assert!(after(first, 200, 300).busy);
        assert!(!after(first, 200, 200).busy);
        assert!(!after(first, 2000, 4000).busy, "long ago");
        let busy = after(first, 200, 300);
        assert!(after(busy, 50, 300).busy, "until it is looked at again");
        assert!(!after(busy, 100, 300).busy);
    }

    #[tokio::test]
    async fn only_who_comes_while_others_work_waits() {
        let courtesy = Courtesy::new();
        let waited = async || {
            let since = Instant::now();
            courtesy.give_way().await;
            since.elapsed() >= PAUSE
        };
        assert!(!courtesy.is_busy());
        tokio::time::sleep(2 * WINDOW).await;
        assert!(!courtesy.is_busy(), "nobody worked");
        let work = async || {
            for _ in 0..20 {
                // On a thread of the runtime, which can do nothing else meanwhile.
                std::thread::sleep(WINDOW / 10);
                tokio::task::yield_now().await;
            }
            waited().await
        };
        // Once is not enough where the machine stands still for a second.
        assert!(work().await || work().await || work().await, "somebody worked");
        tokio::time::sleep(2 * WINDOW).await;
        assert!(!courtesy.is_busy(), "nobody works any more");
    }
}
