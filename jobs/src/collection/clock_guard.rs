//! A clock that jumps must not end leases that are promised: collection pauses for one lease.

use std::time::{Duration, Instant};

use roadstead_model::Timestamp;

/// What a clock may be off between two looks.
const TOLERANCE: Duration = Duration::from_mins(1);

/// Compares the clock of the wall with one that only runs.
#[derive(Debug)]
pub(super) struct ClockGuard {
    last: (Timestamp, Instant),
    paused_until: Option<Instant>,
}

impl ClockGuard {
    pub(super) fn new(wall: Timestamp, running: Instant) -> Self {
        Self { last: (wall, running), paused_until: None }
    }

    /// Whether what depends on the time may go on; says so once when a jump is seen.
    pub(super) fn allows(&mut self, wall: Timestamp, running: Instant, lease: Duration) -> bool {
        let (last_wall, last_running) = self.last;
        self.last = (wall, running);
        let passed = running.saturating_duration_since(last_running);
        let expected = last_wall.after(passed).0;
        let jump = Duration::from_micros(expected.abs_diff(wall.0));
        if jump > TOLERANCE {
            tracing::warn!(
                seconds = jump.as_secs(),
                "the clock jumped; collection pauses for one lease, objects excepted"
            );
            self.paused_until = Some(running + lease);
        }
        self.paused_until.is_none_or(|until| running >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_either_way_pauses_for_a_lease_and_a_slow_round_does_not() {
        let (lease, start) = (Duration::from_hours(1), Instant::now());
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut guard = ClockGuard::new(at(0), start);
        assert!(guard.allows(at(100), after(100), lease));
        assert!(guard.allows(at(5000), after(5030), lease));
        assert!(!guard.allows(at(5161), after(5100), lease), "forward");
        assert!(!guard.allows(at(8700), after(8640), lease));
        assert!(guard.allows(at(8761), after(8701), lease));
        assert!(!guard.allows(at(8000), after(8702), lease), "back");
    }
}
