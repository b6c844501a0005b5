//! The gate: everything that leaves for SICANTIK passes here, and nothing else may call it.
//!
//! SICANTIK is one small machine that an office works on. The gate holds the promised rate in *any* window of
//! one second, bounds what is in flight, and keeps quiet when the server asks for it. One gate stands before one host
//! and is shared by all that ask there. A circuit breaker belongs before [`Gate::enter`]'s first step, an
//! adaptive bound in slot of its semaphore.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};
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
    paused_until: std::sync::Mutex<Option<Instant>>,
    /// How many wait who go before all others.
    ahead: AtomicUsize,
    requests: AtomicU64,
    retries: AtomicU64,
}

/// A request's slot in flight; it is given back when dropped.
#[derive(Debug)]
#[must_use = "the slot is given back when this is dropped"]
pub struct Slot(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

/// Counts one who goes before all others, as long as it waits.
struct Ahead<'a>(&'a AtomicUsize);

impl<'a> Ahead<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Ahead<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

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
            paused_until: std::sync::Mutex::new(None),
            ahead: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }
    }

    /// Waits until one more request may leave, and counts it. Those who wait leave in the order in which they came.
    ///
    /// Cancel safe: who stops waiting takes nothing along.
    pub async fn enter(&self, is_retry: bool) -> Slot {
        // First a slot in flight, then the rate: a turn that is won must be used at once, or the
        // server would see it later than it was counted.
        let slot = Arc::clone(&self.in_flight)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        if let Some(pace) = &self.pace {
            loop {
                let pace = pace.lock().await;
                if self.ahead.load(Ordering::Relaxed) == 0 {
                    break self.turn(pace).await;
                }
                // The lock goes round in order: all let the one ahead pass, and stand as they stood before.
                drop(pace);
                tokio::task::yield_now().await;
            }
        }
        self.leave(is_retry).await;
        Slot(Some(slot))
    }

    /// As [`Gate::enter`], before all who wait, and beyond the number in flight: for the one question of a person, who
    /// would else wait behind a whole run. The rate holds.
    ///
    /// Cancel safe.
    pub async fn enter_priority(&self, is_retry: bool) -> Slot {
        let _ahead = Ahead::new(&self.ahead);
        if let Some(pace) = &self.pace {
            self.turn(pace.lock().await).await;
        }
        self.leave(is_retry).await;
        Slot(None)
    }

    /// Waits for the next turn and takes it.
    async fn turn(&self, mut pace: MutexGuard<'_, Pace>) {
        loop {
            pace.wait_for_turn().await;
            // The server may have asked for quiet while the turn was waited for.
            if !self.is_paused() {
                return pace.take_turn();
            }
            self.wait_while_paused().await;
        }
    }

    /// Counts a request that leaves now; without a rate, it leaves when quiet is over.
    async fn leave(&self, is_retry: bool) {
        if self.pace.is_none() {
            self.wait_while_paused().await;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        if is_retry {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets nothing through for `pause`: the server has asked for it.
    pub fn pause_for(&self, pause: Duration) {
        let mut until = self.paused_until.lock().expect("nothing panics while it is held");
        *until = (*until).max(Some(Instant::now() + pause));
    }

    /// Leaves the next turn to others. Whoever begins to work on a host takes it over from another process, perhaps, whose
    /// last request has just left and stands in no gate of this one; one turn between the two keeps the rate over both.
    pub fn skip_interval(&self) {
        if let Some(rate) = self.limits.rate {
            self.pause_for(Pace::new(rate).interval);
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

    fn is_paused(&self) -> bool {
        self.paused_until().is_some_and(|until| until > Instant::now())
    }

    async fn wait_while_paused(&self) {
        while let Some(until) = self.paused_until().filter(|until| *until > Instant::now()) {
            tokio::time::sleep_until(until).await;
        }
    }

    fn paused_until(&self) -> Option<Instant> {
        *self.paused_until.lock().expect("nothing panics while it is held")
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
mod tests;
