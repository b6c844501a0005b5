//! The line in front of a gate: whoever is first in it waits for the next turn.

use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::time::Instant;

use super::pace::{Pace, TurnId};

/// Everybody who waits, first come first served, and the pace that they are let through at.
#[derive(Debug)]
pub(super) struct Queue {
    line: Mutex<()>,
    pace: std::sync::Mutex<Pace>,
    /// What became known of a request may bring the next turn forward, or put it off.
    changed: Notify,
}

/// The first place in the line.
#[derive(Debug)]
pub(super) struct Place<'a> {
    queue: &'a Queue,
    _line: MutexGuard<'a, ()>,
}

impl Queue {
    pub(super) fn new(rate: f64) -> Self {
        Self { line: Mutex::default(), pace: Pace::new(rate).into(), changed: Notify::new() }
    }

    /// Waits for the first place.
    pub(super) async fn line_up(&self) -> Place<'_> {
        Place { queue: self, _line: self.line.lock().await }
    }

    /// Tells the pace what became known of a request.
    pub(super) fn note(&self, tell: impl FnOnce(&mut Pace)) {
        tell(&mut self.pace());
        self.changed.notify_one();
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().expect("nothing panics while it is held")
    }
}

impl Place<'_> {
    /// Waits for the next turn, without taking it.
    pub(super) async fn wait_for_turn(&self) {
        loop {
            let due = self.queue.pace().due();
            let Some(due) = due.filter(|due| *due > Instant::now()) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(due) => {
                    let late = due.elapsed();
                    self.queue.pace().note_lateness(late);
                }
                () = self.queue.changed.notified() => {}
            }
        }
    }

    /// Takes the turn that was waited for.
    pub(super) fn take_turn(&self) -> TurnId {
        self.queue.pace().take_turn(Instant::now())
    }
}
