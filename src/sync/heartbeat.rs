//! The heartbeat of a run: how often Odoo hears from its worker, and what happens when it does not.
//!
//! The durations depend on each other. What has to hold between them is asserted below.

use std::time::Duration;

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

/// The gate's lease: so long after the last heartbeat that was answered, nothing passes. It is by
/// the clock that this also holds for a process that was suspended, which renews its lease before
/// it asks anything.
pub(super) const GATE_LEASE: Duration = INTERVAL.saturating_add(FENCE);

/// `<` for constants.
const fn is_shorter(one: Duration, other: Duration) -> bool {
    one.as_nanos() < other.as_nanos()
}

const _: () = assert!(is_shorter(FIRST, INTERVAL));
const _: () = assert!(
    is_shorter(GATE_LEASE, LEASE),
    "the gate has to be closed before the lease of the last heartbeat is over"
);
const _: () = assert!(
    is_shorter(INTERVAL.saturating_add(GRACE), STOP_WITHIN) && !GRACE.is_zero(),
    "a stop that is heard at the next heartbeat has to end the run in time"
);
const _: () = assert!(LEASE.subsec_nanos() == 0, "Odoo takes whole seconds");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_durations_are_those_that_the_addon_counts_on() {
        assert_eq!((LEASE_SECONDS, INTERVAL.as_secs(), FENCE.as_secs()), (30, 4, 15));
        assert_eq!(GRACE, Duration::from_millis(900));
    }
}
