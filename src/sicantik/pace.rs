//! The gate: everything that leaves for SICANTIK passes here, and nothing else may call it.
//!
//! SICANTIK is one small machine that an office works on. The gate holds the promised rate in *any* window of
//! one second, bounds what is in flight, and keeps quiet when the server asks for it. One gate stands before one host
//! and is shared by all that ask there. A circuit breaker belongs before [`Gate::enter`]'s first step, an
//! adaptive bound in place of its semaphore.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The window that the rate speaks of is kept this much longer than a second: requests that leave a second
/// apart arrive closer together when the first of them was held up on its way.
const MARGIN: Duration = Duration::from_millis(12);

/// What the gate holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests per second, in any window of one second, retries counted; `None` lifts the limit, for a
    /// simulator on one's own machine. Below 1, one request per `1 / rate` seconds.
    pub rate: Option<f64>,
    /// Requests in flight at once, at least 1.
    pub max_in_flight: usize,
}

/// What has passed the gate so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent, retries counted.
    pub requests: u64,
    /// Of these, requests that were sent again.
    pub retries: u64,
}

/// The gate before one host.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    in_flight: Arc<Semaphore>,
    pace: Option<Mutex<Pace>>,
    quiet_until: std::sync::Mutex<Option<Instant>>,
    requests: AtomicU64,
    retries: AtomicU64,
}

/// A request's place in flight; it is given back when dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Gate {
    /// A gate that holds `limits`.
    ///
    /// # Panics
    ///
    /// If the rate is not a positive number or nothing may be in flight; settings are checked before they come here.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        assert!(limits.max_in_flight > 0, "a gate that lets nothing through");
        Self {
            limits,
            in_flight: Arc::new(Semaphore::new(limits.max_in_flight)),
            pace: limits.rate.map(|rate| Mutex::new(Pace::new(rate))),
            quiet_until: std::sync::Mutex::new(None),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }
    }

    /// Waits until one more request may leave, and counts it. Those who wait leave in the order in which they came.
    ///
    /// Cancel safe: who stops waiting takes nothing along.
    pub async fn enter(&self, is_retry: bool) -> Place {
        // First a place in flight, then the rate: a turn that is won must be used at once, or the
        // server would see it later than it was counted.
        let place = Arc::clone(&self.in_flight)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        match &self.pace {
            Some(pace) => {
                let mut pace = pace.lock().await;
                loop {
                    pace.wait_for_turn().await;
                    // The server may have asked for quiet while the turn was waited for.
                    if !self.is_quiet() {
                        break;
                    }
                    self.wait_until_quiet_is_over().await;
                }
                pace.take_turn();
            }
            None => self.wait_until_quiet_is_over().await,
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        if is_retry {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        Place(place)
    }

    /// Lets nothing through for `pause`: the server has asked for it.
    pub fn keep_quiet(&self, pause: Duration) {
        let mut until = self.quiet_until.lock().expect("nothing panics while it is held");
        *until = (*until).max(Some(Instant::now() + pause));
    }

    /// Leaves the next turn to others. Whoever begins to work on a host takes it over from another process, perhaps, whose
    /// last request has just left and stands in no gate of this one; one turn between the two keeps the rate over both.
    pub fn leave_a_turn(&self) {
        if let Some(rate) = self.limits.rate {
            self.keep_quiet(Pace::new(rate).interval);
        }
    }

    /// What it holds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Requests in flight now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.limits.max_in_flight.saturating_sub(self.in_flight.available_permits())
    }

    /// What has passed so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }

    fn is_quiet(&self) -> bool {
        self.quiet_until().is_some_and(|until| until > Instant::now())
    }

    async fn wait_until_quiet_is_over(&self) {
        while let Some(until) = self.quiet_until().filter(|until| *until > Instant::now()) {
            tokio::time::sleep_until(until).await;
        }
    }

    fn quiet_until(&self) -> Option<Instant> {
        *self.quiet_until.lock().expect("nothing panics while it is held")
    }
}

/// The turns of a rate: evenly spaced, and never more than a second's worth in a second.
///
/// Not a token bucket or GCRA, whose burst lets almost twice the rate through in a bad second, and which
/// loses the timer's slack (up to 1 ms) with each turn: turns are planned ahead, and the instants at which the last ones
/// were really taken keep a late turn from crowding the ones behind it.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    /// `taken.len()` turns may lie in one `window`.
    window: Duration,
    per_window: usize,
    taken: VecDeque<Instant>,
    next: Option<Instant>,
}

impl Pace {
    fn new(rate: f64) -> Self {
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

    /// When the next turn is, unless it is now.
    fn due(&self) -> Option<Instant> {
        let oldest = self.taken.front().filter(|_| self.taken.len() == self.per_window);
        self.next.max(oldest.map(|&oldest| oldest + self.window))
    }

    async fn wait_for_turn(&self) {
        if let Some(due) = self.due() {
            tokio::time::sleep_until(due).await;
        }
    }

    fn take_turn(&mut self) {
        let now = Instant::now();
        let due = self.due().unwrap_or(now);
        if self.taken.len() == self.per_window {
            self.taken.pop_front();
        }
        self.taken.push_back(now);
        // A turn that came a little late is caught up with; a pause is not.
        self.next = Some(due.max(now - self.interval) + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The most instants in any half-open window of one second.
    fn most_in_a_second(times: &[Instant]) -> usize {
        let second = Duration::from_secs(1);
        (0..times.len())
            .map(|first| {
                times[first..].iter().take_while(|&&time| time < times[first] + second).count()
            })
            .max()
            .unwrap_or_default()
    }

    async fn pass(gate: &Gate) -> Instant {
        let _place = gate.enter(false).await;
        Instant::now()
    }

    fn gate(rate: f64, max_in_flight: usize) -> Arc<Gate> {
        Arc::new(Gate::new(Limits { rate: Some(rate), max_in_flight }))
    }

    #[tokio::test(start_paused = true)]
    async fn spaces_requests_evenly_and_without_a_burst() {
        let gate = gate(10.0, 100);
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..101 {
            times.push(pass(&gate).await);
        }
        assert_eq!(most_in_a_second(&times), 10);
        assert_eq!(times[0], start);
        let last = times[100] - start;
        assert!((10.0..10.2).contains(&last.as_secs_f64()), "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_over_from_another_process_leaves_a_turn() {
        let (one, two) = (gate(10.0, 100), gate(10.0, 100));
        let mut times = Vec::new();
        for _ in 0..25 {
            times.push(pass(&one).await);
        }
        two.leave_a_turn();
        for _ in 0..25 {
            times.push(pass(&two).await);
        }
        assert_eq!(most_in_a_second(&times), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_caught_up_with() {
        let gate = gate(10.0, 100);
        let mut times = vec![pass(&gate).await];
        tokio::time::sleep(Duration::from_secs(30)).await;
        for _ in 0..30 {
            times.push(pass(&gate).await);
        }
        assert_eq!(most_in_a_second(&times), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_a_rate_below_one_and_a_broken_one() {
        for (rate, seconds) in [(0.5, 2.0), (2.5, 0.4)] {
            let gate = gate(rate, 1);
            let start = pass(&gate).await;
            for _ in 0..10 {
                pass(&gate).await;
            }
            let elapsed = start.elapsed().as_secs_f64();
            assert!(elapsed >= 10.0 * seconds, "{rate}: {elapsed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bounds_what_is_in_flight() {
        let gate = gate(1_000.0, 2);
        let one = gate.enter(false).await;
        let _two = gate.enter(false).await;
        let third = tokio::time::timeout(Duration::from_secs(60), gate.enter(false)).await;
        assert!(third.is_err(), "a third went in");
        drop(one);
        tokio::time::timeout(Duration::from_secs(1), pass(&gate)).await.unwrap();
        assert_eq!(gate.traffic().requests, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_quiet_as_long_as_it_was_asked_to() {
        let gate = gate(10.0, 4);
        pass(&gate).await;
        gate.keep_quiet(Duration::from_secs(7));
        gate.keep_quiet(Duration::from_secs(3));
        let start = Instant::now();
        assert_eq!(pass(&gate).await - start, Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_turn_already_keeps_quiet_too() {
        let gate = gate(0.5, 4);
        let start = pass(&gate).await;
        let quiet = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            gate.keep_quiet(Duration::from_secs(9));
        };
        let (next, ()) = tokio::join!(pass(&gate), quiet);
        assert_eq!(next - start, Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_takes_no_turn_along() {
        let gate = gate(1.0, 4);
        let start = pass(&gate).await;
        for _ in 0..5 {
            let waited = tokio::time::timeout(Duration::from_millis(100), gate.enter(false)).await;
            assert!(waited.is_err());
        }
        let next = pass(&gate).await - start;
        assert!(next < Duration::from_millis(1_100), "{next:?}");
        assert_eq!(gate.traffic().requests, 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever the rate and however irregularly requests come, no second sees too many.
        #[test]
        fn no_window_sees_more_than_the_rate(
            rate in 1.0f64..40.0,
            waits in proptest::collection::vec(0u64..400, 20..120),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let times = runtime.block_on(async {
                let gate = gate(rate, 100);
                let mut times = Vec::new();
                for wait in waits {
                    // Most requests are waiting already when their turn comes.
                    if wait > 200 {
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                    }
                    times.push(pass(&gate).await);
                }
                times
            });
            prop_assert!(most_in_a_second(&times) <= rate.floor() as usize, "at {rate}");
        }
    }
}
