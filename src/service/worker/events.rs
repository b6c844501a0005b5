//! Tells subscribers how a run goes.

use std::time::{Duration, Instant};

use crate::service::api::{EventState, ProgressEvent};
use crate::service::state::Shared;
use crate::sync::{Progress, Reporter};

/// Subscribers hear of a run four times a second at most.
const INTERVAL: Duration = Duration::from_millis(250);

/// The events of one run.
pub(super) struct Events<'a> {
    shared: &'a Shared,
    run_id: i64,
    last: Option<Instant>,
}

impl<'a> Events<'a> {
    pub(super) fn new(shared: &'a Shared, run_id: i64) -> Self {
        Self { shared, run_id, last: None }
    }

    pub(super) fn send(&self, progress: &Progress, state: EventState) {
        // Nobody listens most of the time.
        let _ = self.shared.events.send(ProgressEvent {
            run_id: self.run_id,
            state,
            total: progress.total,
            counts: progress.counts,
            rate: progress.rate(),
            eta_seconds: progress.remaining().map(|left| left.as_secs()),
        });
    }
}

impl Reporter for Events<'_> {
    fn report(&mut self, progress: &Progress) {
        if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            self.send(progress, EventState::Running);
        }
    }
}
