//! The gate's promises, in paused time.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::lease::Moment;
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
    let slot = gate.enter(false).await;
    let now = Instant::now();
    slot.settle(RequestOutcome::Answered);
    now
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
async fn a_skipped_interval_keeps_the_rate_over_two_gates() {
    let (one, two) = (gate(10.0, 100), gate(10.0, 100));
    let mut times = Vec::new();
    for _ in 0..25 {
        times.push(pass(&one).await);
    }
    two.skip_interval();
    for _ in 0..25 {
        times.push(pass(&two).await);
    }
    assert_eq!(most_in_a_second(&times), 10);
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_not_made_up_for() {
    let gate = gate(10.0, 100);
    let mut times = vec![pass(&gate).await];
    tokio::time::sleep(Duration::from_secs(30)).await;
    for _ in 0..30 {
        times.push(pass(&gate).await);
    }
    assert_eq!(most_in_a_second(&times), 10);
}

#[tokio::test(start_paused = true)]
async fn keeps_a_rate_below_one_and_a_fractional_one() {
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
async fn priority_skips_the_queue_and_keeps_the_rate() {
    let gate = gate(10.0, 4);
    let mut times = vec![pass(&gate).await];
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move { pass(&gate).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(350)).await;
    let asked = Instant::now();
    drop(gate.enter_priority(false).await);
    let waited = asked.elapsed();
    assert!(waited <= Duration::from_millis(210), "{waited:?}");
    times.push(Instant::now());
    for task in waiting {
        times.push(task.await.unwrap());
    }
    times.sort();
    assert_eq!(most_in_a_second(&times), 10);
    assert_eq!(gate.traffic().requests, 22);
}

#[tokio::test(start_paused = true)]
async fn pauses_as_long_as_the_longest_request() {
    let gate = gate(10.0, 4);
    pass(&gate).await;
    gate.pause_for(Duration::from_secs(7));
    gate.pause_for(Duration::from_secs(3));
    let start = Instant::now();
    assert_eq!(pass(&gate).await - start, Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_back_who_waits_for_a_turn_already() {
    let gate = gate(0.5, 4);
    let start = pass(&gate).await;
    let pausing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.pause_for(Duration::from_secs(9));
    };
    let (next, ()) = tokio::join!(pass(&gate), pausing);
    assert_eq!(next - start, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn nothing_passes_while_a_lease_has_run_out() {
    let length = Duration::from_secs(19);
    for limits in [Some(10.0), Some(0.5), None] {
        let gate = Arc::new(Gate::new(Limits { rate: limits, max_in_flight: 4 }));
        let lease = gate.lease(length);
        pass(&gate).await;
        // The whole process stands still: no timer fires meanwhile, and then all of them do.
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    pass(&gate).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(40)).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(gate.traffic().requests, 1, "at {limits:?}");
        let urgent = tokio::time::timeout(Duration::from_secs(5), gate.enter_priority(false));
        assert!(urgent.await.is_err(), "at {limits:?}");
        // An answer to what was asked before the sleep renews nothing.
        lease.renew(before(Duration::from_secs(30)).await);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(gate.traffic().requests, 1, "at {limits:?}");
        lease.renew(Moment::now());
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(gate.traffic().requests, 4, "at {limits:?}");
    }
}

/// A moment that was so long ago.
async fn before(length: Duration) -> Moment {
    let moment = Moment::now();
    tokio::time::advance(length).await;
    moment
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ended_closes_nothing() {
    let gate = gate(10.0, 4);
    let lease = gate.lease(Duration::from_secs(19));
    let other = gate.lease(Duration::from_secs(60));
    tokio::time::advance(Duration::from_secs(30)).await;
    let entering = tokio::time::timeout(Duration::from_secs(5), gate.enter(false)).await;
    assert!(entering.is_err());
    let waiting = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { pass(&gate).await }
    });
    tokio::task::yield_now().await;
    drop(lease);
    waiting.await.unwrap();
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_consumes_no_turn() {
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

#[tokio::test(start_paused = true)]
async fn a_settled_request_gives_its_slot_back_and_is_counted() {
    let gate = gate(1_000.0, 1);
    gate.enter(false).await.settle(RequestOutcome::TimedOut);
    let slot = gate.enter(true).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gate.in_flight(), 1);
    slot.settle(RequestOutcome::Answered);
    assert_eq!(gate.in_flight(), 0);
    drop(gate.enter(false).await);
    let health = gate.server_health();
    assert_eq!((health.timed_out, health.answered, health.abandoned), (1, 1, 1));
    assert_eq!(health.latency, Some(Duration::from_millis(300)));
    assert_eq!(gate.traffic(), Traffic { requests: 3, retries: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_pauses_the_gate_as_long_as_it_asks_up_to_a_limit() {
    let minute = Duration::from_secs(60);
    for (asked, pause) in
        [(None, Duration::ZERO), (Some(minute), minute), (Some(60 * minute), 2 * minute)]
    {
        let gate = Gate::new(Limits { rate: None, max_in_flight: 4 });
        let start = Instant::now();
        gate.enter(false).await.settle(RequestOutcome::Busy { retry_after: asked });
        assert_eq!(pass(&gate).await - start, pause, "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_due_after_twenty_questions_in_vain() {
    let gate = gate(1_000.0, 4);
    for _ in 0..20 {
        assert!(!gate.needs_probe());
        gate.enter(false).await.settle(RequestOutcome::Unusable);
    }
    assert!(gate.needs_probe());
    gate.probe_began();
    assert!(!gate.needs_probe());
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
