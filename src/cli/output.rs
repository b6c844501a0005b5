//! How a run is shown: a bar on a terminal, a line every 50 permits elsewhere, and the result at the end.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::sync::{Progress, Reporter, Tally};

/// Without a terminal a line is printed each time so many permits are answered.
const LINE_EVERY: u64 = 50;

/// Shows progress on stderr.
pub(super) enum Display {
    Bar(ProgressBar),
    Lines { next: u64 },
}

impl Display {
    /// A bar where stderr is a terminal, lines otherwise.
    pub(super) fn new(total: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { next: LINE_EVERY };
        }
        let style = ProgressStyle::with_template(
            "{bar:30} {percent:>3}% {pos}/{len}  {msg}  elapsed {elapsed}  remaining {prefix}",
        )
        .expect("the template is a constant");
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
        Self::Bar(bar.with_style(style).with_prefix("-"))
    }

    /// Leaves the screen to what is printed next.
    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Reporter for Display {
    fn report(&mut self, progress: &Progress) {
        let answered = progress.counts.answered();
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.total.max(answered));
                bar.set_position(answered);
                bar.set_message(format!(
                    "{:.1}/s, {} without answer",
                    progress.rate(),
                    progress.counts.failed
                ));
                if let Some(left) = progress.remaining() {
                    bar.set_prefix(HumanDuration(left).to_string());
                }
            }
            Self::Lines { next } => {
                if answered < *next {
                    return;
                }
                *next = answered + LINE_EVERY - answered % LINE_EVERY;
                let remaining = progress.remaining().map_or_else(|| "?".to_owned(), seconds);
                eprintln!(
                    "Progress: {:.1}% ({answered}/{}), elapsed {}, remaining {remaining}",
                    progress.percent(),
                    progress.total,
                    seconds(progress.elapsed),
                );
            }
        }
    }
}

/// `12.3 s`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// The result of a run: the seed's keys and ours.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Whether the run came to its end.
    pub(super) success: bool,
    /// Permits answered.
    pub(super) total: u64,
    /// Those with a date.
    pub(super) synced: u64,
    /// All the rest.
    pub(super) failed: u64,
    /// Seconds.
    pub(super) duration: f64,
    pub(super) found: u64,
    pub(super) no_date: u64,
    pub(super) not_registered: u64,
    /// Permits without a usable answer.
    pub(super) errors: u64,
    pub(super) requests: u64,
    pub(super) retries: u64,
    /// Permits per second.
    pub(super) rate: f64,
    /// Calls to Odoo.
    pub(super) odoo_calls: u64,
    pub(super) run_id: Option<i64>,
    pub(super) dry_run: bool,
    /// Why the run did not come to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl Summary {
    pub(super) fn new(progress: &Progress) -> Self {
        let counts = progress.counts;
        let total = counts.answered();
        Self {
            success: true,
            total,
            synced: counts.found,
            failed: total - counts.found,
            duration: rounded(progress.elapsed.as_secs_f64()),
            found: counts.found,
            no_date: counts.no_date,
            not_registered: counts.not_registered,
            errors: counts.failed,
            requests: progress.requests,
            retries: progress.retries,
            rate: rounded(progress.rate()),
            odoo_calls: 0,
            run_id: None,
            dry_run: false,
            error: None,
        }
    }

    /// A run that never began.
    pub(super) fn failed(sentence: &str) -> Self {
        Self { success: false, error: Some(sentence.to_owned()), ..Self::new(&Progress::default()) }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dry = if self.dry_run { " (dry run: nothing was written)" } else { "" };
        writeln!(out, "{} permits answered in {:.1} s{dry}", self.total, self.duration)?;
        writeln!(out, "  {:>7}  with an expiry date", self.found)?;
        writeln!(out, "  {:>7}  without a date in SICANTIK", self.no_date)?;
        writeln!(out, "  {:>7}  not registered in SICANTIK", self.not_registered)?;
        writeln!(out, "  {:>7}  without a usable answer", self.errors)?;
        write!(
            out,
            "{} requests to SICANTIK, {} of them retries; {} calls to Odoo",
            self.requests, self.retries, self.odoo_calls
        )?;
        match self.run_id {
            Some(run_id) => write!(out, "; run {run_id}"),
            None => Ok(()),
        }
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
