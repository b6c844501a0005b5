//! The rate, in any window of one second, as the server sees it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How much later than it left a request may arrive, at least.
const LEAST_MARGIN: Duration = Duration::from_millis(12);

/// However late timers fire, the margin grows no further.
const LARGEST_MARGIN: Duration = Duration::from_millis(250);

/// The first request after a quiet time counts as arrived after so long, if not answered before.
const FIRST_MARGIN: Duration = Duration::from_millis(500);

/// A request that waits for its connection counts as failed after so long. A lost SYN is sent again
/// after a second.
const LONGEST_CONNECT: Duration = Duration::from_secs(3);

/// What is left of the worst lateness when the next turn is taken.
const LATENESS_KEPT: f64 = 0.95;

/// Turns, evenly spaced, and never more than a second's worth of them in any second.
///
/// Not `governor`, nor any other token bucket or GCRA: its burst lets almost twice the rate through
/// in a bad second, and each turn loses the timer's slack of up to 1 ms. Here turns are planned
/// ahead, and what is known of the requests that left keeps a late one from crowding those behind
/// it.
///
/// A request that leaves at some instant arrives then or later. So it may leave if of the earlier
/// ones less than a second's worth can have arrived within the second before. When an earlier one
/// has arrived is known from its answer; before that, it is when it left on its connection, and a
/// margin. The margin follows the machine: where timers fire late, requests are held up as well.
#[derive(Debug)]
pub(super) struct Pace {
    /// At most `per_window` requests arrive in any `window`.
    window: Duration,
    per_window: usize,
    /// The turns that still matter, in the order in which they were taken.
    taken: VecDeque<Turn>,
    next: Option<Instant>,
    next_id: u64,
    /// The worst lateness of late.
    lateness: Duration,
}

/// A turn, by which what is learnt of its request finds it.
pub(super) type TurnId = u64;

#[derive(Debug)]
struct Turn {
    id: TurnId,
    /// When it was taken.
    left: Instant,
    /// How long after leaving it may arrive.
    margin: Duration,
    /// How long it waits for a connection.
    connecting: Duration,
    answered: Option<Instant>,
}

impl Turn {
    /// The latest instant at which it can have arrived.
    fn arrived_by(&self, margin: Duration) -> Instant {
        let presumed = self.left + self.connecting + self.margin.max(margin);
        self.answered.map_or(presumed, |answered| answered.min(presumed))
    }
}

impl Pace {
    /// A pace of `rate` turns per second; below 1, one turn per `1 / rate` seconds.
    pub(super) fn new(rate: f64) -> Self {
        assert!(rate.is_finite() && rate > 0.0, "a rate of {rate} per second");
        let per_window = (rate.floor() as usize).max(1);
        let window = Duration::from_secs_f64(per_window as f64 / rate).max(Duration::from_secs(1));
        Self {
            window,
            per_window,
            taken: VecDeque::new(),
            next: None,
            next_id: 0,
            lateness: Duration::ZERO,
        }
    }

    /// The time from one turn to the next.
    pub(super) fn interval(&self) -> Duration {
        (self.window + self.margin()).div_f64(self.per_window as f64)
    }

    /// A request waits for its own side to wake up, and for the server's.
    fn margin(&self) -> Duration {
        (2 * self.lateness).clamp(LEAST_MARGIN, LARGEST_MARGIN)
    }

    /// When the next turn is, as far as known now; `None` if it has been all along.
    pub(super) fn due(&self) -> Option<Instant> {
        let margin = self.margin();
        let mut arrivals: Vec<_> = self.taken.iter().map(|turn| turn.arrived_by(margin)).collect();
        let oldest = arrivals.len().checked_sub(self.per_window);
        let open = oldest.map(|oldest| *arrivals.select_nth_unstable(oldest).1 + self.window);
        self.next.max(open)
    }

    /// Takes the turn that is due.
    pub(super) fn take_turn(&mut self, now: Instant) -> TurnId {
        let due = self.due().unwrap_or(now);
        let interval = self.interval();
        // The machine, the connection and the server are all cold before the first one.
        let is_first = self.taken.back().is_none_or(|last| last.left + self.window <= now);
        let margin = if is_first { FIRST_MARGIN } else { self.margin() };
        // Beyond this, even the latest arrival is out of every window to come.
        let horizon = self.window + LONGEST_CONNECT + FIRST_MARGIN;
        while self.taken.front().is_some_and(|turn| turn.left + horizon < now) {
            self.taken.pop_front();
        }
        let id = self.next_id;
        self.next_id += 1;
        let connecting = Duration::ZERO;
        self.taken.push_back(Turn { id, left: now, margin, connecting, answered: None });
        // A turn taken slightly late does not delay those behind it; an idle time is not made up
        // for.
        self.next = Some((due + interval).max(now));
        self.lateness = self.lateness.mul_f64(LATENESS_KEPT);
        id
    }

    /// A timer fired so much late.
    pub(super) fn note_lateness(&mut self, lateness: Duration) {
        self.lateness = self.lateness.max(lateness);
    }

    /// The request waits for a connection.
    pub(super) fn note_connecting(&mut self, id: TurnId) {
        if let Some(turn) = self.turn(id) {
            turn.connecting = LONGEST_CONNECT;
        }
    }

    /// The connection is there, and the request leaves.
    pub(super) fn note_connected(&mut self, id: TurnId, now: Instant) {
        if let Some(turn) = self.turn(id) {
            turn.connecting = now - turn.left;
        }
    }

    /// The request has been answered, so it has arrived.
    pub(super) fn note_answer(&mut self, id: TurnId, now: Instant) {
        if let Some(turn) = self.turn(id) {
            turn.answered = Some(now);
        }
    }

    fn turn(&mut self, id: TurnId) -> Option<&mut Turn> {
        self.taken.iter_mut().rev().find(|turn| turn.id == id)
    }
}

#[cfg(test)]
mod tests;
