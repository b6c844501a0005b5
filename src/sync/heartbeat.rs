//! The heartbeat of a run: how often Odoo hears from its worker, and what happens when it does not.
//!
//! The durations depend on each other. What has to hold between them is asserted below.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

/// A run's lease: after so long without a heartbeat another worker may claim the run.
pub const LEASE: Duration = Duration::from_secs(30);

/// The same as Odoo takes it.
#[expect(clippy::cast_possible_truncation, reason = "a lease of minutes at most")]
pub const LEASE_SECONDS: u32 = LEASE.as_secs() as u32;

/// The longest time between two heartbeats: the lease is renewed, the run's page in Odoo is kept
/// moving, and a request to stop is heard.
pub(super) const INTERVAL: Duration = Duration::from_secs(4);

/// The first heartbeat comes sooner, so that whoever started the run sees that it works.
pub(super) const FIRST: Duration = Duration::from_millis(800);

/// A request to stop ends the run within this time, whenever it comes.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How long answers in flight are waited for when the run has to stop.
pub const GRACE: Duration =
    STOP_WITHIN.saturating_sub(INTERVAL).saturating_sub(Duration::from_millis(100));

/// When Odoo has not answered a heartbeat for so long, the server is not asked anything more until
/// it has: the lease may run out, and then another worker may ask the same server.
const FENCE: Duration = LEASE.checked_div(2).expect("two is not zero");

/// The fence is made of pauses of the gate, one begun before the other is over.
const FENCE_STEP: Duration = Duration::from_secs(1);
const FENCE_PAUSE: Duration = FENCE_STEP.saturating_mul(2);

/// `<` for constants.
const fn is_shorter(one: Duration, other: Duration) -> bool {
    one.as_nanos() < other.as_nanos()
}

const _: () = assert!(is_shorter(FIRST, INTERVAL));
const _: () = assert!(
    is_shorter(INTERVAL.saturating_add(FENCE), LEASE),
    "the fence has to be closed before the lease of the last heartbeat is over"
);
const _: () = assert!(
    is_shorter(INTERVAL.saturating_add(GRACE), STOP_WITHIN) && !GRACE.is_zero(),
    "a stop that is heard at the next heartbeat has to end the run in time"
);
const _: () = assert!(is_shorter(FENCE_STEP, FENCE_PAUSE), "the fence has no gap");
const _: () = assert!(LEASE.subsec_nanos() == 0, "Odoo takes whole seconds");

/// Waits for a call to Odoo and, when that takes too long, keeps the server from being asked by
/// `pause`, which pauses the gate.
pub(super) async fn fenced<T>(call: impl Future<Output = T>, pause: &impl Fn(Duration)) -> T {
    let mut call = pin!(call);
    let mut budget = FENCE;
    loop {
        if let Ok(done) = timeout(budget, &mut call).await {
            return done;
        }
        budget = FENCE_STEP;
        pause(FENCE_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_unanswered_heartbeat_stops_questions_before_the_lease_is_over() {
        let start = Instant::now();
        let (first, until) = (Cell::new(None), Cell::new(start));
        let pause = |length| {
            first.set(first.get().or(Some(start.elapsed())));
            until.set(Instant::now() + length);
        };
        fenced(tokio::time::sleep(Duration::from_secs(60)), &pause).await;
        assert_eq!(first.get(), Some(FENCE));
        assert!(INTERVAL + FENCE < LEASE);
        assert!(until.get() > Instant::now(), "there was no gap");
        assert!(until.get() < Instant::now() + FENCE_PAUSE, "it goes on soon after");
    }

    #[test]
    fn the_durations_are_those_that_the_addon_counts_on() {
        assert_eq!((LEASE_SECONDS, INTERVAL.as_secs(), FENCE.as_secs()), (30, 4, 15));
        assert_eq!(GRACE, Duration::from_millis(900));
    }
}
