//! The result of a run, for people and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::sync::Progress;
use crate::sync::listing::Imported;

/// The result of a run. The first keys are those of the Odoo method that this command replaces.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Whether the run finished.
    pub(super) success: bool,
    /// Permits answered.
    pub(super) total: u64,
    /// Of these, permits with a date.
    pub(super) synced: u64,
    /// Of these, all others.
    pub(super) failed: u64,
    /// Seconds.
    pub(super) duration: f64,
    pub(super) found: u64,
    pub(super) no_date: u64,
    pub(super) not_registered: u64,
    /// Permits without a usable answer.
    pub(super) errors: u64,
    /// Permits that Odoo does not let its user read, and that were not asked about.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) hidden: u64,
    pub(super) requests: u64,
    pub(super) retries: u64,
    /// Permits per second.
    pub(super) rate: f64,
    /// Calls to Odoo.
    pub(super) odoo_calls: u64,
    pub(super) run_id: Option<i64>,
    pub(super) dry_run: bool,
    /// Whether the listing carries expiry dates, where it was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upgraded: Option<bool>,
    /// The result of reading the listing, where it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listing: Option<ListingSummary>,
    /// Why the run did not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// The result of reading the listing.
#[derive(Debug, Serialize)]
pub(super) struct ListingSummary {
    /// Distinct permits in it.
    pub(super) listed: u64,
    /// Permits created in Odoo.
    pub(super) created: u64,
    /// Permits changed in Odoo.
    pub(super) updated: u64,
    /// Permits that were up to date already.
    pub(super) unchanged: u64,
    /// Of all these, permits that got a date from it.
    pub(super) dated: u64,
    /// Rows without an applicant, left out.
    pub(super) junk: u64,
    /// Rows that could not be read.
    pub(super) skipped: u64,
    /// Permits whose applicant SICANTIK does not tell.
    pub(super) nameless: u64,
    /// Rows that Odoo refused.
    pub(super) rejected: u64,
    /// Permits in Odoo that have left it since it was last read completely; null where nothing was
    /// compared.
    pub(super) unlisted: Option<u64>,
    /// Pages read.
    pub(super) pages: u64,
    /// Whether nothing can have been missed.
    pub(super) complete: bool,
    /// Why it could not be read to its end, where asking again does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remark: Option<String>,
    /// Seconds.
    pub(super) duration: f64,
}

impl ListingSummary {
    fn new(imported: &Imported) -> Self {
        let (listing, stored) = (&imported.listing, &imported.stored);
        Self {
            listed: listing.listed,
            created: stored.created,
            updated: stored.updated,
            unchanged: stored.unchanged,
            dated: stored.dated,
            junk: listing.junk,
            skipped: listing.skipped,
            nameless: listing.nameless,
            rejected: stored.rejected,
            unlisted: imported.unlisted,
            pages: listing.pages,
            complete: imported.complete,
            remark: imported.remark.map(|remark| remark.to_string()),
            duration: rounded(imported.elapsed.as_secs_f64()),
        }
    }
}

impl fmt::Display for ListingSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            (self.created, "new in Odoo"),
            (self.updated, "changed in Odoo"),
            (self.unchanged, "unchanged"),
            (self.dated, "of these got a date from the listing"),
            (self.rejected, "rows refused by Odoo"),
        ];
        self.fmt_read(out)?;
        for (number, what) in lines {
            writeln!(out, "  {number:>7}  {what}")?;
        }
        if let Some(unlisted) = self.unlisted {
            writeln!(
                out,
                "  {unlisted:>7}  permits in Odoo have left the listing since the last time"
            )?;
        }
        Ok(())
    }
}

impl ListingSummary {
    /// What was read, whatever came of it.
    fn fmt_read(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{} permits listed on {} pages in {:.1} s",
            self.listed, self.pages, self.duration
        )?;
        writeln!(out, "  {:>7}  rows left out: they have no applicant", self.junk)?;
        if self.skipped > 0 {
            writeln!(
                out,
                "  {:>7}  rows could not be read: SICANTIK does not answer for them",
                self.skipped
            )?;
        }
        if self.nameless > 0 {
            writeln!(
                out,
                "  {:>7}  of these without an applicant's name: SICANTIK cannot print it",
                self.nameless
            )?;
        }
        if let Some(remark) = &self.remark {
            writeln!(out, "{remark}")?;
        } else if !self.complete {
            writeln!(
                out,
                "The listing was not read completely: permits may be missing; run it again."
            )?;
        }
        Ok(())
    }
}

impl Summary {
    pub(super) fn new(progress: &Progress, imported: Option<&Imported>) -> Self {
        let counts = progress.counts;
        let total = counts.answered();
        let elapsed =
            progress.elapsed + imported.map_or(Duration::ZERO, |imported| imported.elapsed);
        // Where both were done, the requests of both are in the progress already.
        let alone = imported.filter(|_| progress.requests == 0);
        Self {
            success: true,
            total,
            synced: counts.found,
            failed: total - counts.found,
            duration: rounded(elapsed.as_secs_f64()),
            found: counts.found,
            no_date: counts.no_date,
            not_registered: counts.not_registered,
            errors: counts.failed,
            hidden: 0,
            requests: alone.map_or(progress.requests, |imported| imported.listing.requests),
            retries: alone.map_or(progress.retries, |imported| imported.listing.retries),
            rate: rounded(progress.rate()),
            odoo_calls: 0,
            run_id: None,
            dry_run: false,
            upgraded: progress
                .upgraded
                .or_else(|| imported.and_then(|imported| imported.listing.upgraded)),
            listing: imported.map(ListingSummary::new),
            error: None,
        }
    }

    /// A run that never began.
    pub(super) fn failed(sentence: &str) -> Self {
        Self {
            success: false,
            error: Some(sentence.to_owned()),
            ..Self::new(&Progress::default(), None)
        }
    }

    /// Whether there is something to show although the run did not come to its end.
    pub(super) fn has_news(&self) -> bool {
        self.total > 0 || self.listing.as_ref().is_some_and(|listing| listing.listed > 0)
    }

    /// Whether the listing was read, but not whole, or not wholly stored.
    pub(super) fn is_incomplete(&self) -> bool {
        self.listing.as_ref().is_some_and(|listing| !listing.complete || listing.rejected > 0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            writeln!(out, "Dry run: nothing was written.")?;
        }
        if let Some(listing) = &self.listing {
            if self.dry_run {
                // Nothing was compared, so there is nothing to say about new or changed permits.
                listing.fmt_read(out)?;
            } else {
                write!(out, "{listing}")?;
            }
        }
        if self.listing.is_none() || self.total > 0 {
            self.fmt_answers(out)?;
        }
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

impl Summary {
    fn fmt_answers(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} permits answered in {:.1} s", self.total, self.duration)?;
        writeln!(out, "  {:>7}  with an expiry date", self.found)?;
        writeln!(out, "  {:>7}  without a date in SICANTIK", self.no_date)?;
        writeln!(out, "  {:>7}  not registered in SICANTIK", self.not_registered)?;
        writeln!(out, "  {:>7}  without a usable answer", self.errors)?;
        if self.hidden > 0 {
            writeln!(
                out,
                "{} permits were not asked about: Odoo counts them, and a record rule hides them from \
                 the sidecar's user. `doctor` says what to do.",
                self.hidden
            )?;
        }
        Ok(())
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
