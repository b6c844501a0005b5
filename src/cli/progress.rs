//! The progress of a run on stderr: a bar on a terminal, a line every 50 permits elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{FormattedDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printer::errln;
use crate::sync::listing::Imported;
use crate::sync::{Progress, Reporter};

/// How many permits are answered between two lines.
const LINE_EVERY: u64 = 50;

/// How many pages of the listing are read between two lines.
const LINE_EVERY_PAGES: u64 = 20;

/// Shows progress on stderr.
pub(super) enum ProgressReporter {
    Bar(ProgressBar),
    Lines { next: u64 },
}

impl ProgressReporter {
    /// A bar where stderr is a terminal, lines otherwise.
    pub(super) fn new(total: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { next: LINE_EVERY };
        }
        let style = ProgressStyle::with_template(
            "{bar:20} {percent:>3}% {pos}/{len}  {msg}  {elapsed_precise}, {prefix} left",
        )
        .expect("the template is a constant");
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
        let bar = bar.with_style(style).with_message("asking").with_prefix("?");
        // A slow server should not look like a program that hangs.
        bar.enable_steady_tick(Duration::from_millis(500));
        Self::Bar(bar)
    }

    /// Clears the bar for what is printed next.
    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Reporter for ProgressReporter {
    fn report(&mut self, progress: &Progress) {
        let answered = progress.counts.answered();
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.total.max(answered));
                bar.set_position(answered);
                bar.set_message(format!(
                    "{:.1}/s, {} failed",
                    progress.rate(),
                    progress.counts.failed
                ));
                if let Some(left) = progress.remaining() {
                    bar.set_prefix(FormattedDuration(left).to_string());
                }
            }
            Self::Lines { next } => {
                if answered < *next {
                    return;
                }
                *next = answered + LINE_EVERY - answered % LINE_EVERY;
                let remaining = progress.remaining().map_or_else(|| "?".to_owned(), seconds);
                errln!(
                    "Progress: {:.1}% ({answered}/{}), elapsed {}, remaining {remaining}",
                    progress.percent(),
                    progress.total,
                    seconds(progress.elapsed),
                );
            }
        }
    }

    fn report_listing(&mut self, imported: &Imported) {
        let listing = &imported.listing;
        let message = format!(
            "Listing: {} permits on {} pages, {} new, {} changed",
            listing.listed, listing.pages, imported.stored.created, imported.stored.updated
        );
        match self {
            Self::Bar(bar) => bar.set_message(message),
            Self::Lines { .. } if listing.pages.is_multiple_of(LINE_EVERY_PAGES) => {
                errln!("{message}, elapsed {}", seconds(imported.elapsed));
            }
            Self::Lines { .. } => {}
        }
    }
}

/// `12.3 s`.
fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
