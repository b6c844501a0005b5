//! What the outcomes of requests say about a server.

use std::time::Duration;

use tokio::time::Instant;

use super::outcome::RequestOutcome;

/// After so many questions in a row without a usable answer, it is worth asking whether the server
/// is there at all.
const PROBE_AFTER: u32 = 20;

/// The weight of the newest latency in the average: about the last ten answers count.
const LATENCY_WEIGHT: f64 = 0.2;

/// How a server has been doing. It is what an adaptive window and a circuit breaker decide by.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServerHealth {
    /// Requests with a usable answer.
    pub answered: u64,
    /// Requests with an unusable answer.
    pub unusable: u64,
    /// Requests that the server was too busy for.
    pub busy: u64,
    /// Requests that timed out.
    pub timed_out: u64,
    /// Requests whose connection could not be made, or broke.
    pub disconnected: u64,
    /// Requests that were dropped before an answer came. The server may still work on them.
    pub abandoned: u64,
    /// Failed requests since the last usable answer.
    pub failures_in_a_row: u32,
    /// When the first of these failed.
    pub failing_since: Option<Instant>,
    /// When the last usable answer came.
    pub last_answer: Option<Instant>,
    /// How long usable answers take: an exponential moving average.
    pub latency: Option<Duration>,
    /// Questions in a row without a usable answer, since the last probe.
    questions_in_vain: u32,
}

impl ServerHealth {
    /// Counts a request that took `elapsed`, and was dropped if there is no outcome.
    ///
    /// Questions are counted by their first tries: the tries that follow say little more about
    /// whether the server is there.
    pub(super) fn record(
        &mut self,
        outcome: Option<RequestOutcome>,
        is_retry: bool,
        elapsed: Duration,
    ) {
        let count = match outcome {
            Some(RequestOutcome::Answered) => return self.record_answer(elapsed),
            Some(RequestOutcome::Redirected) => return,
            None => {
                self.abandoned += 1;
                return;
            }
            Some(RequestOutcome::Unusable) => &mut self.unusable,
            Some(RequestOutcome::Busy { .. }) => &mut self.busy,
            Some(RequestOutcome::TimedOut) => &mut self.timed_out,
            Some(RequestOutcome::Disconnected) => &mut self.disconnected,
        };
        *count += 1;
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.failing_since.get_or_insert_with(Instant::now);
        if !is_retry {
            self.questions_in_vain = self.questions_in_vain.saturating_add(1);
        }
    }

    fn record_answer(&mut self, elapsed: Duration) {
        self.answered += 1;
        self.failures_in_a_row = 0;
        self.failing_since = None;
        self.questions_in_vain = 0;
        self.last_answer = Some(Instant::now());
        self.latency = Some(match self.latency {
            Some(average) => {
                average.mul_f64(1.0 - LATENCY_WEIGHT) + elapsed.mul_f64(LATENCY_WEIGHT)
            }
            None => elapsed,
        });
    }

    /// Whether it is time to ask if the server is there at all.
    pub(super) fn needs_probe(&self) -> bool {
        self.questions_in_vain >= PROBE_AFTER
    }

    /// A probe is on its way; the next is due after as many questions in vain again.
    pub(super) fn probe_began(&mut self) {
        self.questions_in_vain = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn counts_requests_by_outcome() {
        let mut health = ServerHealth::default();
        let outcomes = [
            Some(RequestOutcome::Answered),
            Some(RequestOutcome::Redirected),
            Some(RequestOutcome::Unusable),
            Some(RequestOutcome::Busy { retry_after: None }),
            Some(RequestOutcome::TimedOut),
            Some(RequestOutcome::TimedOut),
            Some(RequestOutcome::Disconnected),
            None,
        ];
        for outcome in outcomes {
            health.record(outcome, false, SECOND);
        }
        let ServerHealth { answered, unusable, busy, timed_out, disconnected, abandoned, .. } =
            health;
        assert_eq!(
            (answered, unusable, busy, timed_out, disconnected, abandoned),
            (1, 1, 1, 2, 1, 1)
        );
        assert_eq!(health.failures_in_a_row, 5, "a dropped request says nothing of the server");
    }

    #[tokio::test(start_paused = true)]
    async fn a_usable_answer_ends_a_row_of_failures() {
        let mut health = ServerHealth::default();
        let start = Instant::now();
        health.record(Some(RequestOutcome::TimedOut), false, SECOND);
        tokio::time::advance(SECOND).await;
        health.record(Some(RequestOutcome::Disconnected), true, SECOND);
        assert_eq!((health.failures_in_a_row, health.failing_since), (2, Some(start)));
        assert_eq!(health.last_answer, None);
        health.record(Some(RequestOutcome::Answered), true, SECOND);
        assert_eq!((health.failures_in_a_row, health.failing_since), (0, None));
        assert_eq!(health.last_answer, Some(start + SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn the_latency_follows_usable_answers_only() {
        let mut health = ServerHealth::default();
        health.record(Some(RequestOutcome::TimedOut), false, 60 * SECOND);
        assert_eq!(health.latency, None);
        health.record(Some(RequestOutcome::Answered), false, SECOND);
        assert_eq!(health.latency, Some(SECOND));
        health.record(Some(RequestOutcome::Answered), false, 2 * SECOND);
        assert_eq!(health.latency, Some(Duration::from_millis(1_200)));
        for _ in 0..30 {
            health.record(Some(RequestOutcome::Answered), false, 2 * SECOND);
        }
        let latency = health.latency.expect("answers").as_secs_f64();
        assert!((1.99..=2.0).contains(&latency), "{latency}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_is_due_after_twenty_questions_in_vain() {
        let mut health = ServerHealth::default();
        let fail = |health: &mut ServerHealth, is_retry| {
            health.record(Some(RequestOutcome::TimedOut), is_retry, SECOND);
        };
        for _ in 0..19 {
            // Each question with its retries.
            fail(&mut health, false);
            fail(&mut health, true);
            fail(&mut health, true);
            health.record(Some(RequestOutcome::Redirected), false, SECOND);
            health.record(None, false, SECOND);
        }
        assert!(!health.needs_probe());
        fail(&mut health, false);
        assert!(health.needs_probe());
        health.probe_began();
        assert!(!health.needs_probe());
        for _ in 0..20 {
            fail(&mut health, false);
        }
        assert!(health.needs_probe());
        health.record(Some(RequestOutcome::Answered), true, SECOND);
        assert!(!health.needs_probe());
    }
}
