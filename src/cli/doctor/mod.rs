//! `doctor`: what works and what does not, line by line, and what to do about it.

mod odoo;
mod report;
mod service;
mod sicantik;

use std::process::ExitCode;

use super::failure::Failure;
use crate::config::Config;
use crate::odoo::Connector;
use odoo::Found;
use report::Report;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Check this connector only
    #[arg(long, value_name = "NAME|ID")]
    connector: Option<String>,
    /// Check the SICANTIK at this address instead of the connectors'
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Do not look for the service, where cron runs the commands instead
    #[arg(long)]
    no_service: bool,
}

/// Checks everything that a run needs, and the service that nights and buttons need. Nothing is
/// written, to Odoo or to SICANTIK.
pub(super) async fn run(config: &Config, args: &Args) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    let settings = config.odoo()?;
    service::secret_files(config, &mut report);
    let Found { connectors, ledger } =
        odoo::check(&settings, args.connector.as_deref(), &mut report).await.unwrap_or_default();
    if let Some(url) = &args.api_url {
        let connector = connectors.into_iter().next().unwrap_or_else(Connector::unnamed);
        sicantik::check(config, url, &connector, ledger.as_ref(), &mut report).await;
    } else {
        for connector in &connectors {
            let url = &connector.api_url;
            sicantik::check(config, url, connector, ledger.as_ref(), &mut report).await;
        }
    }
    if let Some(odoo) = ledger.as_ref().filter(|_| !args.no_service) {
        service::check(config, odoo, &mut report).await;
    }
    report.end()?;
    Ok(ExitCode::SUCCESS)
}
