//! `sync`: the work, from the command line.

mod plain;
mod work;

use std::process::ExitCode;

use super::exit::{Failure, WITH_FAILURES};
use super::output::Summary;
use super::print::outln;
use crate::config::{self, Config};

/// The largest integer that Odoo stores.
const LARGEST: i64 = i32::MAX as i64;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Fetch the expiry dates of permits that have none, one request per permit
    ///
    /// Where SICANTIK's listing carries the dates, they are taken from there, one request per page.
    Expiry(ExpiryArgs),
    /// Read SICANTIK's listing and bring Odoo's permits up to date with it
    Permits(CommonArgs),
    /// Read the listing first, then fetch the expiry dates that are still missing
    All(ExpiryArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct CommonArgs {
    /// The connector to work on; needed where several are active
    #[arg(long, value_name = "NAME|ID")]
    connector: Option<String>,
    /// Ask, but write nothing to Odoo
    #[arg(long)]
    dry_run: bool,
    /// Ask the SICANTIK at this address instead of the connector's
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExpiryArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Ask for so many permits at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=LARGEST))]
    max_permits: Option<u32>,
    /// Ask again for dates that were last checked more than DAYS ago, after those without a date
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    refresh_older_than: Option<u32>,
    /// Ask also for permits that had no date lately and are not due to be asked again yet
    #[arg(long)]
    include_not_due: bool,
}

impl Command {
    pub(super) fn run(
        self,
        config: impl FnOnce() -> Result<Config, config::Error>,
    ) -> Result<ExitCode, Failure> {
        let job = work::Job::from(self);
        let result = config()
            .map_err(Failure::from)
            .and_then(|config| super::block_on(work::work(&config, &job)));
        let (summary, failure) = match result {
            Ok(finished) => finished,
            Err(failure) => (Summary::failed(&failure.to_string()), Some(failure)),
        };
        if job.common.json {
            outln!("{}", serde_json::to_string(&summary).expect("a summary has only plain keys"));
        } else if summary.has_news() || failure.is_none() {
            outln!("{summary}");
        }
        match failure {
            Some(failure) => Err(failure),
            None if summary.errors > 0 || summary.is_incomplete() => {
                Ok(ExitCode::from(WITH_FAILURES))
            }
            None => Ok(ExitCode::SUCCESS),
        }
    }
}
