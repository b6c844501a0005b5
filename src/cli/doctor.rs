//! `doctor`: what works and what does not, line by line, and what to do about it.

use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::exit::Failure;
use super::host_lock::HostLock;
use super::print::outln;
use super::setup::{client, host};
use crate::config::Config;
use crate::odoo::run::Selection;
use crate::odoo::{self, Connector, Mode, Schema, connector, model, run, schema};
use crate::outbound;
use crate::sicantik::{self, Format};

/// Answers to the cheapest question that are slower than this say that the server has little to spare.
const SLOW: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Look at this connector only
    #[arg(long, value_name = "NAME|ID")]
    connector: Option<String>,
    /// Look at the SICANTIK at this address instead of the connectors'
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
}

/// Prints findings, and remembers whether all is well.
#[derive(Default)]
struct Report {
    broken: usize,
}

impl Report {
    fn ok(&self, finding: impl std::fmt::Display) {
        outln!("ok    {finding}");
    }

    fn warn(&self, finding: impl std::fmt::Display, advice: &str) {
        outln!("note  {finding}");
        outln!("      -> {advice}");
    }

    fn broken(&mut self, finding: impl std::fmt::Display, advice: &str) {
        outln!("FAIL  {finding}");
        if !advice.is_empty() {
            outln!("      -> {advice}");
        }
        self.broken += 1;
    }
}

/// Looks at everything that a run needs. Nothing is written, to Odoo or to SICANTIK.
pub(super) async fn run(config: &Config, args: &Args) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    let Seen { connectors, ledger } = odoo(config, args, &mut report).await?;
    if let Some(url) = &args.api_url {
        let stand_in = connectors.into_iter().next().unwrap_or_else(Connector::unnamed);
        sicantik(config, url, &stand_in, ledger.as_ref(), &mut report).await;
    } else {
        for connector in &connectors {
            sicantik(config, &connector.api_url, connector, ledger.as_ref(), &mut report).await;
        }
    }
    match report.broken {
        0 => {
            outln!("All is well.");
            Ok(ExitCode::SUCCESS)
        }
        1 => Err(Failure::stuck("One thing is not well.")),
        number => Err(Failure::stuck(format!("{number} things are not well."))),
    }
}

/// What there is in Odoo.
#[derive(Default)]
struct Seen {
    /// The connectors to look at.
    connectors: Vec<Connector>,
    /// Where runs are kept, if they are.
    ledger: Option<odoo::Client>,
}

/// Looks at Odoo.
async fn odoo(config: &Config, args: &Args, report: &mut Report) -> Result<Seen, Failure> {
    let settings = config.odoo()?;
    let odoo = match odoo::Client::connect(&settings).await {
        Ok(odoo) => odoo,
        Err(error) => {
            report.broken(error, "");
            return Ok(Seen::default());
        }
    };
    report.ok(format_args!(
        "Odoo {} answers, over {}",
        odoo.version().text,
        odoo.protocol().path()
    ));
    // Over /json/2 the key alone says who comes; a login that is somebody else's shows only here.
    match odoo::key_owner(&odoo).await {
        Some(owner) if owner != settings.login => report.warn(
            format_args!(
                "The key that opens the database `{}` is the one of `{owner}`, not of `{}`",
                settings.db, settings.login
            ),
            "Set ODOO_LOGIN to the user whose key it is, or use that user's own key.",
        ),
        _ => report.ok(format_args!(
            "The key of `{}` opens the database `{}`",
            settings.login, settings.db
        )),
    }
    key_expiry(&odoo, &settings.login, report).await;
    let schema = match Schema::read(&odoo).await {
        Ok(schema) => schema,
        Err(error) => {
            report.broken(error, "");
            return Ok(Seen::default());
        }
    };
    match schema.mode {
        Mode::Ledger => report.ok("The addon is installed: runs are kept in its ledger"),
        Mode::Plain => report.warn(
            "The addon is not installed: dates are written to the models of another module",
            "Install `sicantik_connector` for runs with a history, buttons and failures one by one.",
        ),
    }
    let connectors = match connector::find(&odoo, &schema, args.connector.as_deref(), false).await {
        Ok(connector) => vec![connector],
        Err(connector::FindError::Several { active }) if args.connector.is_none() => active,
        Err(error) => {
            report.broken(error, "");
            return Ok(Seen::default());
        }
    };
    rights(&odoo, &schema, &connectors, report).await;
    let ledger = (schema.mode == Mode::Ledger).then_some(odoo);
    Ok(Seen { connectors, ledger })
}

async fn key_expiry(odoo: &odoo::Client, login: &str, report: &Report) {
    match odoo::own_keys(odoo).await {
        Ok(Some(keys)) => {
            for key in keys {
                let name = &key.name;
                let Some(end) = key.expires_at else {
                    report.ok(format_args!("The key \"{name}\" of `{login}` does not expire"));
                    continue;
                };
                let days = (end - Utc::now()).num_days();
                let finding = format!(
                    "The key \"{name}\" of `{login}` expires on {}, in {days} days",
                    end.date_naive()
                );
                if days <= odoo::ApiKey::EXPIRES_SOON_DAYS {
                    report.warn(
                        finding,
                        "Make a new key in Odoo in time and set it as ODOO_API_KEY.",
                    );
                } else {
                    report.ok(finding);
                }
            }
        }
        Ok(None) => report.warn(
            "When the key expires cannot be seen from here",
            "Look in Odoo at the user's preferences, Account Security.",
        ),
        Err(error) => {
            report.warn(format_args!("When the key expires is not known: {error}"), "Try again.")
        }
    }
}

/// Whether the user may do what a run does.
async fn rights(
    odoo: &odoo::Client,
    schema: &Schema,
    connectors: &[Connector],
    report: &mut Report,
) {
    if schema.mode == Mode::Ledger {
        for connector in connectors {
            match run::plan(odoo, connector.id, &Selection::default()).await {
                Ok(plan) if !plan.may_work => report.broken(
                    "The user may look at the work, but not do it",
                    "Give it the group \"SICANTIK: sidecar (technical user)\"; `deploy/technical_user.py` makes such a user.",
                ),
                Ok(plan) => report.ok(format_args!(
                    "Connector `{}`: {} permits are due to be asked for",
                    connector.name, plan.total
                )),
                Err(error) => report.broken(error, ""),
            }
        }
        return;
    }
    let needed = [
        (model::PERMIT, "read"),
        (model::PERMIT, "write"),
        (model::CONNECTOR, "read"),
        (model::CONNECTOR, "write"),
    ];
    for (model, operation) in needed {
        match schema::may(odoo, model, operation).await {
            Ok(true) => report.ok(format_args!("The user may {operation} {model}")),
            Ok(false) if (model, operation) == (model::CONNECTOR, "write") => report.warn(
                "The user may not write sicantik.connector: its statistics stay as they are",
                "Give it a group of the module that brings the model.",
            ),
            Ok(false) => report.broken(
                format_args!("The user may not {operation} {model}"),
                "Give it a group of the module that brings the model.",
            ),
            Err(error) => report.broken(error, ""),
        }
    }
}

/// Looks at the SICANTIK at `url`, unless it is being asked at its full rate already.
async fn sicantik(
    config: &Config,
    url: &str,
    connector: &Connector,
    ledger: Option<&odoo::Client>,
    report: &mut Report,
) {
    let settings = match config.sicantik(url, connector) {
        Ok(settings) => settings,
        Err(error) if url == connector.api_url => {
            return report.broken(format_args!("Connector `{}`: {error}", connector.name), "");
        }
        Err(error) => return report.broken(error, ""),
    };
    let host = host(&settings);
    let server = outbound::server(&settings.api_url);
    let busy = match ledger {
        Some(odoo) => run::working_on(odoo, &server).await.ok().flatten(),
        None => None,
    };
    if let Some(run) = busy {
        return report.ok(format_args!(
            "SICANTIK at {host} is being asked by run {} now, and not by this command as well",
            run.id
        ));
    }
    let _lock = match HostLock::acquire(&server) {
        Ok(lock) => lock,
        Err(other) => return report.ok(other),
    };
    let client = match client(&settings, &CancellationToken::new()) {
        Ok(client) => client,
        Err(failure) => return report.broken(failure, ""),
    };
    let mut times = Vec::new();
    let mut format = Format::Json;
    for _ in 0..3 {
        match client.ping().await {
            Ok(pong) => {
                times.push(pong.elapsed);
                format = pong.format;
            }
            Err(error) => {
                return report.broken(
                    format_args!("SICANTIK at {host} gives no data: {error}"),
                    advice(&error),
                );
            }
        }
    }
    times.sort();
    let form = match format {
        Format::Json => "JSON",
        Format::Xml => "XML, although JSON was asked for; both are read",
    };
    let finding = format!("SICANTIK at {host} answers in {} ms, in {form}", times[1].as_millis());
    if times[1] > SLOW {
        report.warn(finding, "It is slow now: a run takes longer, and is better made at night.");
    } else {
        report.ok(finding);
    }
    match client.listing(1, 0).await {
        Ok(rows) if rows.is_empty() => report.warn(
            "Its listing is empty",
            "Check the connector's address: it may be a test deployment's.",
        ),
        Ok(rows) if rows[0].expiry.is_some() => {
            report.ok("Its listing carries expiry dates: the API is upgraded")
        }
        Ok(_) => {
            report.ok("Its listing carries no expiry dates: they are asked for permit by permit")
        }
        Err(error) => {
            report.broken(format_args!("Its listing cannot be read: {error}"), advice(&error))
        }
    }
}

fn advice(error: &sicantik::Error) -> &'static str {
    use sicantik::{Error, Unreadable};
    match error {
        Error::Timeout { .. } => {
            "It is overloaded or unreachable: try again at night, or raise the connector's time-out."
        }
        Error::Connection { .. } => {
            "Check the connector's address, this machine's network, and whether the server runs."
        }
        Error::ServerBusy { .. } => "The server is in trouble: tell its operators if it lasts.",
        Error::Refused { .. } | Error::Redirected { .. } => {
            "Check the connector's address; a firewall may stand before the server."
        }
        Error::Unreadable(Unreadable::Page { .. }) => {
            "The server shows its maintenance page, or the connector's address is not that of its API."
        }
        _ => "Check that the connector's address is that of SICANTIK's API.",
    }
}
