//! How long to wait before a call is sent again.

use std::time::Duration;

/// The widest first pause; it doubles with each.
const FIRST: Duration = Duration::from_millis(200);
/// The widest pause of all.
const LONGEST: Duration = Duration::from_secs(10);

/// The pause before repetition `number` (from 0), with `chance` in 0..1 for the jitter: anywhere
/// from nothing to the full width, so that callers that failed together do not return together.
pub(crate) fn pause(number: u32, chance: f64) -> Duration {
    let width = FIRST.saturating_mul(2_u32.saturating_pow(number)).min(LONGEST);
    width.mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_seconds_and_jitter_takes_any_part() {
        let widths: Vec<_> = (0..8).map(|number| pause(number, 1.0).as_millis()).collect();
        assert_eq!(widths, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(pause(3, 0.0), Duration::ZERO);
        assert_eq!(pause(3, 0.5), Duration::from_millis(800));
        assert_eq!(pause(u32::MAX, 1.0), LONGEST);
    }
}
