//! The gate of a server: every request to it passes here.
//!
//! An outside server may be one small machine that an office works on. Its gate holds the promised
//! rate in *any* window of one second, bounds what is in flight, pauses when the server asks for
//! it, and keeps what became of the requests. All callers of the process share it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::health::ServerHealth;
use super::outcome::RequestOutcome;
use super::pace::Pace;
use super::retry::LONGEST_RETRY_AFTER;

/// What a gate holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests per second, in any window of one second, retries counted; below 1, one request per
    /// `1 / rate` seconds. `None` lifts the limit, for a simulator on this machine.
    pub rate: Option<f64>,
    /// Requests in flight at once, at least 1.
    pub max_in_flight: usize,
}

/// What has passed a gate so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent, retries counted.
    pub requests: u64,
    /// The retries among them.
    pub retries: u64,
}

/// The gate of one server.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    in_flight: Semaphore,
    pace: Option<Mutex<Pace>>,
    paused_until: std::sync::Mutex<Option<Instant>>,
    /// How many requests with priority wait.
    priority: AtomicUsize,
    requests: AtomicU64,
    retries: AtomicU64,
    health: std::sync::Mutex<ServerHealth>,
}

/// A request's place among those in flight.
///
/// [`Slot::settle`] gives it back with what became of the request. One that is dropped instead
/// counts as abandoned.
#[derive(Debug)]
#[must_use = "the slot is given back when this is dropped"]
pub struct Slot<'a> {
    gate: &'a Gate,
    _permit: Option<SemaphorePermit<'a>>,
    is_retry: bool,
    entered: Instant,
    outcome: Option<RequestOutcome>,
}

impl Slot<'_> {
    /// Gives the slot back, and tells the gate what became of the request. A `Retry-After` pauses
    /// the whole gate, up to [`LONGEST_RETRY_AFTER`].
    pub fn settle(mut self, outcome: RequestOutcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(RequestOutcome::Busy { retry_after: Some(asked) }) = self.outcome {
            self.gate.pause_for(asked.min(LONGEST_RETRY_AFTER));
        }
        self.gate.health().record(self.outcome, self.is_retry, self.entered.elapsed());
    }
}

/// Counts a waiting request with priority.
struct Priority<'a>(&'a AtomicUsize);

impl<'a> Priority<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Priority<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    /// A gate that holds `limits`.
    ///
    /// # Panics
    ///
    /// If the rate is not a positive number or nothing may be in flight. Settings are checked
    /// before.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        assert!(limits.max_in_flight > 0, "a gate that lets nothing through");
        Self {
            limits,
            in_flight: Semaphore::new(limits.max_in_flight),
            pace: limits.rate.map(|rate| Mutex::new(Pace::new(rate))),
            paused_until: std::sync::Mutex::default(),
            priority: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            health: std::sync::Mutex::default(),
        }
    }

    /// Waits until one more request may leave, and counts it. Requests leave in the order in which
    /// they came.
    ///
    /// Cancel safe: dropping the future consumes no turn.
    pub async fn enter(&self, is_retry: bool) -> Slot<'_> {
        // The place in flight comes before the turn: a turn must be used at once, or the server
        // would see the request later than it was counted.
        let permit = self.in_flight.acquire().await.expect("the semaphore is never closed");
        if let Some(pace) = &self.pace {
            loop {
                let pace = pace.lock().await;
                if self.priority.load(Ordering::Relaxed) == 0 {
                    break self.turn(pace).await;
                }
                // The lock is fair: all let the one with priority pass, and keep their order.
                drop(pace);
                tokio::task::yield_now().await;
            }
        }
        self.leave(Some(permit), is_retry).await
    }

    /// As [`Gate::enter`], for interactive requests: skips the queue and the bound on what is in
    /// flight. It is still rate-limited.
    ///
    /// Cancel safe.
    pub async fn enter_priority(&self, is_retry: bool) -> Slot<'_> {
        let _priority = Priority::new(&self.priority);
        if let Some(pace) = &self.pace {
            self.turn(pace.lock().await).await;
        }
        self.leave(None, is_retry).await
    }

    /// Waits for the next turn and takes it.
    async fn turn(&self, mut pace: MutexGuard<'_, Pace>) {
        loop {
            pace.wait_for_turn().await;
            // The server may have asked for a pause in the meantime.
            if !self.is_paused() {
                return pace.take_turn();
            }
            self.wait_while_paused().await;
        }
    }

    /// Counts a request that leaves now. Without a rate, it leaves when no pause is on.
    async fn leave<'a>(&'a self, permit: Option<SemaphorePermit<'a>>, is_retry: bool) -> Slot<'a> {
        if self.pace.is_none() {
            self.wait_while_paused().await;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        if is_retry {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        let entered = Instant::now();
        Slot { gate: self, _permit: permit, is_retry, entered, outcome: None }
    }

    /// Lets nothing through for `pause`.
    pub fn pause_for(&self, pause: Duration) {
        let mut until = self.paused_until.lock().expect("nothing panics while it is held");
        *until = (*until).max(Some(Instant::now() + pause));
    }

    /// Leaves one turn unused. Another process may have worked on the same server until now, and
    /// its last request passed no gate of this one; one turn between the two keeps the rate over
    /// both.
    pub fn skip_interval(&self) {
        if let Some(rate) = self.limits.rate {
            self.pause_for(Pace::new(rate).interval());
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

    /// What became of the requests so far.
    #[must_use]
    pub fn server_health(&self) -> ServerHealth {
        *self.health()
    }

    /// Whether so many questions in a row brought nothing that it is time to ask if the server is
    /// there at all.
    #[must_use]
    pub fn needs_probe(&self) -> bool {
        self.health().needs_probe()
    }

    /// A probe is on its way: another is due only after as many questions in vain again.
    pub fn probe_began(&self) {
        self.health().probe_began();
    }

    fn health(&self) -> std::sync::MutexGuard<'_, ServerHealth> {
        self.health.lock().expect("nothing panics while it is held")
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

#[cfg(test)]
mod tests;
