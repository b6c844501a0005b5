//! The gate of a server: every request to it passes here.
//!
//! An outside server may be one small machine that an office works on. Its gate holds the promised
//! rate in *any* window of one second, bounds what is in flight, pauses when the server asks for
//! it and while a lease on it has run out, and keeps what became of the requests. All callers of
//! the process share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::departure::Departure;
use super::health::ServerHealth;
use super::lease::{Lease, Leases};
use super::outcome::RequestOutcome;
use super::pace::{Pace, TurnId};
use super::queue::{Place, Queue};
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
    queue: Option<Queue>,
    leases: Leases,
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
    turn: Option<TurnId>,
    is_retry: bool,
    entered: Instant,
    outcome: Option<RequestOutcome>,
}

impl Slot<'_> {
    /// What `gate`, which gave this slot, has to be told while the request is sent.
    #[must_use]
    pub fn departure(&self, gate: &Arc<Gate>) -> Departure {
        Departure::new(gate, self.turn)
    }

    /// Gives the slot back, and tells the gate what became of the request. A `Retry-After` pauses
    /// the whole gate, up to [`LONGEST_RETRY_AFTER`].
    pub fn settle(mut self, outcome: RequestOutcome) {
        self.outcome = Some(outcome);
        if let Some((queue, turn)) = self.gate.queue.as_ref().zip(self.turn) {
            queue.note(|pace| pace.note_answer(turn, Instant::now()));
        }
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
            queue: limits.rate.map(Queue::new),
            leases: Leases::default(),
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
        let turn = match &self.queue {
            Some(queue) => loop {
                let place = queue.line_up().await;
                if self.priority.load(Ordering::Relaxed) == 0 {
                    break Some(self.turn(place).await);
                }
                // The queue is fair: all let the one with priority pass, and keep their order.
                drop(place);
                tokio::task::yield_now().await;
            },
            None => None,
        };
        self.leave(Some(permit), turn, is_retry).await
    }

    /// As [`Gate::enter`], for interactive requests: skips the queue and the bound on what is in
    /// flight. It is still rate-limited.
    ///
    /// Cancel safe.
    pub async fn enter_priority(&self, is_retry: bool) -> Slot<'_> {
        let _priority = Priority::new(&self.priority);
        let turn = match &self.queue {
            Some(queue) => Some(self.turn(queue.line_up().await).await),
            None => None,
        };
        self.leave(None, turn, is_retry).await
    }

    /// Waits for the next turn and takes it.
    async fn turn(&self, place: Place<'_>) -> TurnId {
        loop {
            place.wait_for_turn().await;
            // The server may have asked for a pause in the meantime, or this machine slept.
            if !self.is_closed() {
                return place.take_turn();
            }
            self.wait_while_closed().await;
        }
    }

    /// Counts a request that leaves now. Without a rate, it leaves when no pause is on.
    async fn leave<'a>(
        &'a self,
        permit: Option<SemaphorePermit<'a>>,
        turn: Option<TurnId>,
        is_retry: bool,
    ) -> Slot<'a> {
        if turn.is_none() {
            self.wait_while_closed().await;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        if is_retry {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        let entered = Instant::now();
        Slot { gate: self, _permit: permit, turn, is_retry, entered, outcome: None }
    }

    /// Lets nothing through for `pause`.
    pub fn pause_for(&self, pause: Duration) {
        let mut until = self.paused_until.lock().expect("nothing panics while it is held");
        *until = (*until).max(Some(Instant::now() + pause));
    }

    /// A lease on the server that has to be renewed every `length`. While it is not, nothing passes.
    pub fn lease(&self, length: Duration) -> Lease<'_> {
        self.leases.take(length)
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

    /// The request whose turn this was waits for a connection.
    pub(super) fn note_connecting(&self, turn: TurnId) {
        if let Some(queue) = &self.queue {
            queue.note(|pace| pace.note_connecting(turn));
        }
    }

    /// Its connection is there.
    pub(super) fn note_connected(&self, turn: TurnId) {
        if let Some(queue) = &self.queue {
            queue.note(|pace| pace.note_connected(turn, Instant::now()));
        }
    }

    fn is_closed(&self) -> bool {
        let is_paused = self.paused_until().is_some_and(|until| until > Instant::now());
        is_paused || self.leases.has_lapsed()
    }

    async fn wait_while_closed(&self) {
        while self.is_closed() {
            if let Some(until) = self.paused_until() {
                tokio::time::sleep_until(until).await;
            }
            self.leases.wait().await;
        }
    }

    fn paused_until(&self) -> Option<Instant> {
        *self.paused_until.lock().expect("nothing panics while it is held")
    }
}

#[cfg(test)]
mod tests;
