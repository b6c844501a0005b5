//! How long to wait before a request is sent again: one pure function for every service.

use std::time::Duration;

/// The longest `Retry-After` that is waited for. A server that asks for more is closed rather than
/// busy: the request fails, and a later run asks again.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// When a service is asked again. Which errors deserve it is the service's own knowledge.
///
/// Not `backon`: its jitter lengthens a pause instead of spreading it from zero, and its pauses
/// know nothing of the answer that they follow.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Tries in all; `None` where the caller ends them, by a time budget for example.
    pub max_tries: Option<u32>,
    /// The ceiling of the first pause. It doubles with each further try.
    pub first_pause: Duration,
    /// The ceiling beyond which it does not grow.
    pub longest_pause: Duration,
}

impl Policy {
    /// The pause after `tries` tries, the last of which asked for `retry_after`; `None` to give up.
    ///
    /// `chance` in 0…1 takes its part of the ceiling ("full jitter"), so that requests that failed
    /// together do not come back together. A `Retry-After` is waited for in full, with the pause on
    /// top.
    #[must_use]
    pub fn pause(
        &self,
        tries: u32,
        retry_after: Option<Duration>,
        chance: f64,
    ) -> Option<Duration> {
        if self.max_tries.is_some_and(|most| tries >= most) {
            return None;
        }
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        let ceiling = self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        let spread = ceiling.mul_f64(chance.clamp(0.0, 1.0));
        match retry_after {
            Some(asked) if asked > LONGEST_RETRY_AFTER => None,
            Some(asked) => Some(asked + spread),
            None => Some(spread),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        max_tries: None,
        first_pause: Duration::from_millis(200),
        longest_pause: Duration::from_secs(10),
    };

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_takes_any_part() {
        let ceilings: Vec<_> = (1..9)
            .map(|tries| POLICY.pause(tries, None, 1.0).expect("a pause").as_millis())
            .collect();
        assert_eq!(ceilings, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(POLICY.pause(4, None, 0.0), Some(Duration::ZERO));
        assert_eq!(POLICY.pause(4, None, 0.5), Some(Duration::from_millis(800)));
        assert_eq!(POLICY.pause(u32::MAX, None, 1.0), Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_retry_after_comes_before_the_pause_unless_it_is_too_long() {
        let asked = Duration::from_secs(7);
        assert_eq!(POLICY.pause(1, Some(asked), 1.0), Some(asked + POLICY.first_pause));
        assert_eq!(POLICY.pause(1, Some(asked), 0.0), Some(asked));
        let longest = POLICY.pause(1, Some(LONGEST_RETRY_AFTER), 0.0);
        assert_eq!(longest, Some(LONGEST_RETRY_AFTER));
        let too_long = LONGEST_RETRY_AFTER + Duration::from_secs(1);
        assert_eq!(POLICY.pause(1, Some(too_long), 0.0), None);
    }

    #[test]
    fn the_last_try_is_the_last() {
        let policy = Policy { max_tries: Some(3), ..POLICY };
        assert!(policy.pause(2, None, 1.0).is_some());
        assert_eq!(policy.pause(3, None, 1.0), None);
    }
}
