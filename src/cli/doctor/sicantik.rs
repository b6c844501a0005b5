//! What `doctor` says of SICANTIK.

use std::borrow::Cow;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::report::Report;
use crate::cli::context::client;
use crate::cli::host_lock::HostLock;
use crate::config::Config;
use crate::odoo::{self, Connector, run};
use crate::outbound;
use crate::sicantik::{self, Client, Format, Row};

/// A server whose cheapest answers take longer has little capacity to spare.
const SLOW: Duration = Duration::from_secs(2);

/// Checks the SICANTIK at `url`, unless a run uses its full rate already.
pub(super) async fn check(
    config: &Config,
    url: &str,
    connector: &Connector,
    ledger: Option<&odoo::Client>,
    report: &mut Report,
) {
    let settings = match config.sicantik(url, connector) {
        Ok(settings) => settings,
        Err(error) if url == connector.api_url => {
            return report.problem(format_args!("Connector `{}`: {error}", connector.name), "");
        }
        Err(error) => return report.problem(error, ""),
    };
    let server = outbound::server(&settings.api_url);
    let busy = match ledger {
        Some(odoo) => run::working_on(odoo, &server).await.ok().flatten(),
        None => None,
    };
    if let Some(run) = busy {
        return report.ok(format_args!(
            "Run {} is using SICANTIK at {server}; not tested, to stay within the rate",
            run.id
        ));
    }
    let _lock = match HostLock::acquire(&server) {
        Ok(lock) => lock,
        Err(other) => return report.ok(other),
    };
    match client(&settings, &CancellationToken::new()) {
        Ok(client) => {
            if answers(&client, &server, report).await {
                listing(&client, report).await;
            }
        }
        Err(failure) => report.problem(failure, ""),
    }
}

/// Whether it answers, how fast and in which format.
async fn answers(client: &Client, server: &str, report: &mut Report) -> bool {
    let mut times = Vec::new();
    let mut format = Format::Json;
    for _ in 0..3 {
        match client.ping().await {
            Ok(pong) => {
                times.push(pong.elapsed);
                format = pong.format;
            }
            Err(error) => {
                let finding = format_args!("SICANTIK at {server} gives no data: {error}");
                report.problem(finding, &advice(&error));
                return false;
            }
        }
    }
    times.sort();
    let median = times[times.len() / 2];
    let format = match format {
        Format::Json => "JSON",
        Format::Xml => "XML, although JSON was asked for; both are read",
    };
    let finding = format!("SICANTIK at {server} answers in {} ms, in {format}", median.as_millis());
    if median > SLOW {
        report.note(finding, "It is slow now: a run takes longer, and is better made at night.");
    } else {
        report.ok(finding);
    }
    true
}

/// Rows of each of the two pages that are compared.
const FEW: u32 = 5;

/// Whether the listing can be read page by page, and carries expiry dates.
async fn listing(client: &Client, report: &mut Report) {
    let rows = match client.listing(FEW, 0).await {
        Ok(rows) => rows,
        Err(error) => {
            let finding = format_args!("Its listing cannot be read: {error}");
            return report.problem(finding, &advice(&error));
        }
    };
    let Some(row) = rows.first() else {
        return report.note(
            "Its listing is empty",
            "Check the connector's address: it may be that of a test deployment.",
        );
    };
    if row.expiry.is_some() {
        report.ok("Its listing carries expiry dates: the API is upgraded");
    } else {
        report.ok("Its listing carries no expiry dates: they are fetched permit by permit");
    }
    if ignores_offset(client, &rows).await {
        report.problem(
            "Its listing ignores the offset: only its first page can be read",
            "Tell the server's operators. Permits that are in Odoo already are asked one by one.",
        );
    }
}

/// Whether the page behind `first` is the same again, in both forms of the parameters.
async fn ignores_offset(client: &Client, first: &[Row]) -> bool {
    if (first.len() as u32) < FEW {
        return false;
    }
    loop {
        match client.listing(FEW, FEW).await {
            Ok(rows) if rows == first => {}
            _ => return false,
        }
        if !client.use_other_form() {
            return true;
        }
    }
}

fn advice(error: &sicantik::Error) -> Cow<'static, str> {
    use sicantik::{Error, Unreadable};
    let advice = match error {
        Error::Tls(problem) => return problem.remedy("SICANTIK_CA_FILE").into(),
        Error::Timeout { .. } => {
            "It is overloaded or unreachable: try again at night, or raise the connector's time-out."
        }
        Error::Connection { .. } => {
            "Check the connector's address, this machine's network, and whether the server runs."
        }
        Error::ServerBusy { .. } => "The server has problems: tell its operators if they last.",
        Error::Refused { .. } | Error::Redirected { .. } => {
            "Check the connector's address; there may be a firewall in front of the server."
        }
        Error::Unreadable(Unreadable::Page { .. }) => {
            "The server shows its maintenance page, or the connector's address is not that of its API."
        }
        _ => "Check that the connector's address is that of SICANTIK's API.",
    };
    advice.into()
}
