//! The rate, in any window of one second.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The window is this much longer than a second. Of two requests that leave a second apart, the
/// first may be held up on its way, and then they arrive closer together.
const MARGIN: Duration = Duration::from_millis(12);

/// Turns, evenly spaced, and never more than a second's worth of them in any second.
///
/// Not `governor`, nor any other token bucket or GCRA: its burst lets almost twice the rate through
/// in a bad second, and each turn loses the timer's slack of up to 1 ms. Here turns are planned
/// ahead, and the instants at which the last ones were taken keep a late turn from crowding those
/// behind it.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// At most `per_window` turns lie in any `window`.
    window: Duration,
    per_window: usize,
    taken: VecDeque<Instant>,
    next: Option<Instant>,
}

impl Pace {
    /// A pace of `rate` turns per second; below 1, one turn per `1 / rate` seconds.
    pub(super) fn new(rate: f64) -> Self {
        assert!(rate.is_finite() && rate > 0.0, "a rate of {rate} per second");
        let per_window = (rate.floor() as usize).max(1);
        let window =
            Duration::from_secs_f64(per_window as f64 / rate).max(Duration::from_secs(1)) + MARGIN;
        let interval = window.div_f64(per_window as f64);
        Self {
            interval,
            window,
            per_window,
            taken: VecDeque::with_capacity(per_window),
            next: None,
        }
    }

    /// The time from one turn to the next.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// When the next turn is, unless it is now.
    fn due(&self) -> Option<Instant> {
        let oldest = self.taken.front().filter(|_| self.taken.len() == self.per_window);
        self.next.max(oldest.map(|&oldest| oldest + self.window))
    }

    /// Waits for the next turn, without taking it.
    pub(super) async fn wait_for_turn(&self) {
        if let Some(due) = self.due() {
            tokio::time::sleep_until(due).await;
        }
    }

    /// Takes the turn that was waited for.
    pub(super) fn take_turn(&mut self) {
        let now = Instant::now();
        let due = self.due().unwrap_or(now);
        if self.taken.len() == self.per_window {
            self.taken.pop_front();
        }
        self.taken.push_back(now);
        // A turn taken slightly late does not delay those behind it; an idle time is not made up
        // for.
        self.next = Some(due.max(now - self.interval) + self.interval);
    }
}
