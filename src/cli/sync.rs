//! `sync`: the work, from the command line.
//!
//! - `args`, `job`: what is to be done; `work`: does it, in one of three ways.
//! - `ledger`: in Odoo's ledger; `plain`: on an Odoo without one; `dry`: writing nothing.

mod args;
mod dry;
mod job;
mod ledger;
mod plain;
mod work;
mod worked;

use std::process::ExitCode;

use super::failure::{Failure, WITH_FAILURES};
use super::printer::outln;
use super::runtime::block_on;
use super::summary::Summary;
use crate::config::{self, Config};
use job::Job;

pub(super) use args::Command;

impl Command {
    pub(in crate::cli) fn run(
        self,
        config: impl FnOnce() -> Result<Config, config::Error>,
    ) -> Result<ExitCode, Failure> {
        let job = Job::from(self);
        let result =
            config().map_err(Failure::from).and_then(|config| block_on(work::work(&config, &job)));
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
            None if summary.errors > 0 || summary.hidden > 0 || summary.is_incomplete() => {
                Ok(ExitCode::from(WITH_FAILURES))
            }
            None => Ok(ExitCode::SUCCESS),
        }
    }
}
