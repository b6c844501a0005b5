//! Whether and when a request that met trouble is sent again: one pure function.

use std::time::Duration;

use super::error::Error;

/// A request is sent this often at most.
pub(super) const MAX_TRIES: u32 = 3;

/// The longest time that a server may ask for by `Retry-After`, seconds. A server that asks for more is
/// closed rather than busy: the request fails, and a later run asks again.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// The ceiling of the first pause; it doubles with each further try.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long to wait before try `tries + 1`, after `tries` tries of which the last ended in `error`, or `None`
/// to give up.
///
/// The pause is spread evenly between nothing and its ceiling ("full jitter", `jitter` in 0…1), so that requests
/// that failed together do not come back together. A `Retry-After` is waited for in full, the pause on top.
pub(super) fn pause(error: &Error, tries: u32, jitter: f64) -> Option<Duration> {
    if tries >= MAX_TRIES || !error.is_transient() {
        return None;
    }
    let spread = (FIRST_PAUSE * 2_u32.pow(tries.saturating_sub(1))).mul_f64(jitter.clamp(0.0, 1.0));
    match error.retry_after() {
        Some(asked) if asked > LONGEST_RETRY_AFTER => None,
        Some(asked) => Some(asked + spread),
        None => Some(spread),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::sicantik::Unreadable;

    #[test]
    fn walks_the_troubles() {
        let trouble = |code, after| Error::ServerBusy {
            status: StatusCode::from_u16(code).unwrap(),
            retry_after: after,
        };
        let ms = Duration::from_millis;
        let cases = [
            // error, tries so far, ceiling of the pause
            (trouble(500, None), 1, Some(ms(500))),
            (trouble(500, None), 2, Some(ms(1_000))),
            (trouble(500, None), 3, None),
            (trouble(408, None), 1, Some(ms(500))),
            (trouble(429, Some(ms(7_000))), 1, Some(ms(7_500))),
            (trouble(503, Some(ms(7_000))), 2, Some(ms(8_000))),
            (trouble(503, Some(ms(3_600_000))), 1, None),
            (Error::Timeout { after: ms(10_000) }, 1, Some(ms(500))),
            (Error::Connection { reason: "reset".into() }, 1, Some(ms(500))),
            (Unreadable::Page { title: None }.into(), 1, Some(ms(500))),
            (Unreadable::Field { path: "[0]".into(), problem: "?".into() }.into(), 1, None),
            (Error::Refused { status: StatusCode::FORBIDDEN }, 1, None),
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
