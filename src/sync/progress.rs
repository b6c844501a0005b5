//! How far a run has come, and who wants to know.

use std::time::Duration;

use super::listing::Imported;
use super::outcome::Counts;
use crate::odoo::run::ProgressReport;

/// A run's progress at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Permits that the run is about, as far as known.
    pub total: u64,
    /// Permits answered, by outcome.
    pub counts: Counts,
    /// Of these, those that an earlier attempt at the run answered.
    pub earlier: u64,
    /// Since this attempt began.
    pub elapsed: Duration,
    /// Requests sent to the server, retries counted.
    pub requests: u64,
    /// Of these, retries.
    pub retries: u64,
    /// Whether the listing carries expiry dates, once that is known.
    pub upgraded: Option<bool>,
}

impl Progress {
    /// Permits answered per second since this attempt began; 0 before the first.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        let answered = self.counts.answered().saturating_sub(self.earlier);
        if seconds > 0.0 { answered as f64 / seconds } else { 0.0 }
    }

    /// How long the rest takes at the rate so far; `None` before there is a rate.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let rate = self.rate();
        let left = self.total.saturating_sub(self.counts.answered());
        (rate > 0.0).then(|| Duration::from_secs_f64(left as f64 / rate))
    }

    /// The share that is answered, in percent; 100 if there is nothing to ask.
    #[must_use]
    pub fn percent(&self) -> f64 {
        if self.total == 0 {
            return 100.0;
        }
        (self.counts.answered() as f64 / self.total as f64 * 100.0).min(100.0)
    }
}

impl From<&Progress> for ProgressReport {
    fn from(progress: &Progress) -> Self {
        Self {
            rate: Some(progress.rate()),
            eta_seconds: progress.remaining().map(|left| left.as_secs()),
            requests: Some(progress.requests),
            retries: Some(progress.retries),
            upgraded: progress.upgraded,
        }
    }
}

/// Whoever shows a run's progress.
pub trait Reporter: Send {
    /// Called after each permit's outcome.
    fn report(&mut self, progress: &Progress);

    /// Called after each page of the listing.
    fn report_listing(&mut self, _: &Imported) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_from_what_this_attempt_did() {
        let progress = Progress {
            total: 400,
            counts: Counts { found: 150, failed: 50, ..Counts::default() },
            earlier: 100,
            elapsed: Duration::from_secs(10),
            ..Progress::default()
        };
        assert_eq!(progress.rate(), 10.0);
        assert_eq!(progress.remaining(), Some(Duration::from_secs(20)));
        assert_eq!(progress.percent(), 50.0);
    }

    #[test]
    fn promises_nothing_before_the_first_answer() {
        let progress = Progress { total: 5, ..Progress::default() };
        assert_eq!((progress.remaining(), progress.percent()), (None, 0.0));
        assert_eq!(Progress::default().percent(), 100.0);
    }
}
