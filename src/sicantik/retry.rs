//! Whether and when a request that failed is sent again.

use std::time::Duration;

use super::error::Error;
use crate::outbound::retry::Policy;

/// A request is sent this often at most.
pub(super) const MAX_TRIES: u32 = 3;

const POLICY: Policy = Policy {
    max_tries: Some(MAX_TRIES),
    first_pause: Duration::from_millis(500),
    longest_pause: Duration::from_secs(1),
};

/// How long to wait after `tries` tries, the last of which ended in `error`; `None` to give up.
/// `chance` in 0…1 is for the jitter.
pub(super) fn pause(error: &Error, tries: u32, chance: f64) -> Option<Duration> {
    if !error.is_transient() {
        return None;
    }
    POLICY.pause(tries, error.retry_after(), chance)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::sicantik::Unreadable;

    #[test]
    fn walks_the_errors() {
        let busy = |code, after| Error::ServerBusy {
            status: StatusCode::from_u16(code).unwrap(),
            retry_after: after,
        };
        let ms = Duration::from_millis;
        let cases = [
            // error, tries so far, ceiling of the pause
            (busy(500, None), 1, Some(ms(500))),
            (busy(500, None), 2, Some(ms(1_000))),
            (busy(500, None), 3, None),
            (busy(408, None), 1, Some(ms(500))),
            (busy(429, Some(ms(7_000))), 1, Some(ms(7_500))),
            (busy(503, Some(ms(7_000))), 2, Some(ms(8_000))),
            (busy(503, Some(ms(3_600_000))), 1, None),
            (Error::Timeout { after: ms(10_000) }, 1, Some(ms(500))),
            (Error::Connection { reason: "reset".into() }, 1, Some(ms(500))),
            (Unreadable::Page { title: None }.into(), 1, Some(ms(500))),
            (Unreadable::Field { path: "[0]".into(), problem: "?".into() }.into(), 1, None),
            (Error::Refused { status: StatusCode::FORBIDDEN, said: None }, 1, None),
            (Error::UnknownMethod { endpoint: "cekperizinanizin" }, 1, None),
            (Error::Stopped, 1, None),
        ];
        for (error, tries, ceiling) in cases {
            assert_eq!(pause(&error, tries, 1.0), ceiling, "{error} after {tries}");
            let floor = ceiling.map(|_| error.retry_after().unwrap_or_default());
            assert_eq!(pause(&error, tries, 0.0), floor, "{error} after {tries}");
        }
    }
}
