//! What `doctor` says of the service: whether it is there, whether Odoo and it know each other, and
//! whether the nights begin.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Local, Utc};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::report::Report;
use crate::config::{self, Config};
use crate::odoo::{self, Setup, Token};
use crate::outbound::http::{HttpError, Options, client, exchange};
use crate::outbound::tls::Authorities;

/// The service is on this machine.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest of its answers, bytes.
const MAX_BODY: usize = 64 * 1024;

/// A scheduled action that is late by so much is not called at all.
const LATE: chrono::Duration = chrono::Duration::hours(1);

const START: &str = "Start it: `systemctl start sicantik-sidecar`, or `sicantik-sidecar serve`. \
                     Until then runs wait in Odoo.";
const SETTINGS: &str = "SICANTIK > Configuration > Settings";

/// What `/health` and `sidecar.health` tell.
#[derive(Deserialize)]
struct Health {
    version: String,
    odoo_reachable: bool,
    #[serde(default)]
    problem: Option<String>,
}

/// Checks the service that works on the runs of this Odoo's ledger.
pub(super) async fn check(config: &Config, odoo: &odoo::Client, report: &mut Report) {
    let token = config.token();
    let digest = token.as_ref().ok().map(digest);
    let setup = match odoo::setup(odoo, digest.as_deref()).await {
        Ok(setup) => setup,
        Err(error) => {
            report.problem(error, "");
            None
        }
    };
    let heard_of = setup.as_ref().filter(|setup| !setup.silent);
    let is_there = answers(config.listen(), token.as_ref().ok(), heard_of, report).await;
    let Some(setup) = setup else {
        return report.note(
            "What Odoo knows of the service cannot be seen from here",
            "Update the addon `sicantik_sidecar` in Odoo.",
        );
    };
    if is_there {
        sign(&setup, report);
    }
    odoos_token(setup.token, token.err(), report);
    scheduled_actions(&setup, report);
}

/// Whether files with a secret are open to everybody on this machine.
pub(super) fn secret_files(config: &Config, report: &mut Report) {
    let mode = |path: &Path| Some(std::fs::metadata(path).ok()?.permissions().mode());
    for (secret, path) in config.secret_files() {
        let shown = path.display();
        match mode(&path) {
            Some(mode) if mode & 0o007 != 0 => report.problem(
                format_args!("{shown}, which holds {secret}, is open to everybody on this machine"),
                &format!(
                    "Close it: `chmod o= {shown}`. Replace the secret if strangers work here."
                ),
            ),
            Some(_) => {
                report.ok(format_args!("{shown}, which holds {secret}, is closed to others"))
            }
            None => {}
        }
    }
}

/// Whether the service answers at `address`. Another one may be at work elsewhere: `heard_of`.
async fn answers(
    address: SocketAddr,
    token: Option<&SecretString>,
    heard_of: Option<&Setup>,
    report: &mut Report,
) -> bool {
    let health = match ask(address, None).await {
        Ok(Some(health)) => health,
        Ok(None) => {
            report.problem(
                format_args!("What answers at {address} is not the sidecar's service"),
                "Another program has its port: give the service another one (SIDECAR_LISTEN).",
            );
            return false;
        }
        Err(failure) => {
            let finding = format!("The service does not answer at {address} ({failure})");
            match heard_of {
                Some(setup) => report.note(
                    format_args!("{finding}, but Odoo hears of {}", setup.worker),
                    "Nothing, if the service is on another machine.",
                ),
                None => report.problem(finding, START),
            }
            return false;
        }
    };
    let own = env!("CARGO_PKG_VERSION");
    if health.version == own {
        report.ok(format_args!("The service answers at {address}"));
    } else {
        report.note(
            format_args!("The service at {address} is version {}, this is {own}", health.version),
            "Restart it: `systemctl restart sicantik-sidecar`.",
        );
    }
    // With the token it says more.
    let told = match token {
        Some(token) => ask(address, Some(token)).await,
        None => Ok(None),
    };
    let problem = match told {
        Ok(Some(health)) => health.problem,
        Ok(None) if token.is_some() => {
            report.problem(
                "The service does not take the token that is set here",
                "It was started with another one: `systemctl restart sicantik-sidecar`.",
            );
            None
        }
        _ => None,
    };
    if !health.odoo_reachable {
        let why = problem.map(|problem| format!(": {problem}")).unwrap_or_default();
        report.problem(
            format_args!("The service cannot use Odoo{why}"),
            "It may have other settings than this command: compare them, and restart it.",
        );
    }
    true
}

/// Asks the service how it is: what everybody is told, or what the holder of its token is. `None`
/// where what answers is not the service, or does not take the token.
async fn ask(
    address: SocketAddr,
    token: Option<&SecretString>,
) -> Result<Option<Health>, HttpError> {
    #[derive(Deserialize)]
    struct Envelope {
        result: Health,
    }
    let http = client(Options {
        timeout: TIMEOUT,
        connect_timeout: None,
        pool_idle_timeout: None,
        uses_proxy: false,
        headers: HeaderMap::new(),
        authorities: Authorities::default(),
    })?;
    let Some(token) = token else {
        let answer = exchange(http.get(format!("http://{address}/health")), MAX_BODY).await?;
        return Ok(serde_json::from_slice(&answer.body).ok());
    };
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "sidecar.health" });
    let request = http
        .post(format!("http://{address}/"))
        .header(CONTENT_TYPE, "application/json")
        .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
        .body(call.to_string());
    let answer = exchange(request, MAX_BODY).await?;
    let is_ok = answer.status == StatusCode::OK;
    let envelope = serde_json::from_slice::<Envelope>(&answer.body).ok().filter(|_| is_ok);
    Ok(envelope.map(|envelope| envelope.result))
}

/// Whether Odoo has heard of a sidecar lately. One answers here, so it should have.
fn sign(setup: &Setup, report: &mut Report) {
    let last = setup.last_seen.map_or_else(|| "never".to_owned(), local);
    if setup.silent {
        report.problem(
            format_args!("Odoo has not heard of the service for a minute (last: {last})"),
            "It may work on another database: compare its settings (ODOO_URL, ODOO_DB) with these.",
        );
    } else {
        report.ok(format_args!("Odoo heard of the service last at {last}"));
    }
}

/// Whether Odoo's token is the service's own; `unknown_here` is why that is not known.
fn odoos_token(token: Token, unknown_here: Option<config::Error>, report: &mut Report) {
    match token {
        Token::Same => report.ok("Odoo has the service's token"),
        Token::Missing => report.problem(
            "Odoo has no token for the service: buttons cannot wake it or test a connection",
            &format!("Enter it in Odoo under {SETTINGS}."),
        ),
        Token::Other => report.problem(
            "Odoo's token is not the one that is set here: the service does not accept its calls",
            &format!("Enter the service's token again in Odoo under {SETTINGS}."),
        ),
        Token::Unknown => report.note(
            "Odoo has a token; whether it is the service's cannot be seen without that",
            &unknown_here.map_or_else(|| "Press *Try* there.".to_owned(), |why| why.to_string()),
        ),
    }
}

/// Whether Odoo starts the nightly runs.
fn scheduled_actions(setup: &Setup, report: &mut Report) {
    for action in &setup.actions {
        let name = &action.name;
        if !action.exists {
            report.problem(
                format_args!("The scheduled action \"{name}\" is missing: nothing starts at night"),
                "Uninstall `sicantik_sidecar` in Odoo and install it again, which makes it: permits and \
                 dates stay, the history of runs goes.",
            );
        } else if !action.active {
            report.problem(
                format_args!("The scheduled action \"{name}\" is switched off in Odoo"),
                "Switch it on under Settings > Technical > Scheduled Actions.",
            );
        } else if let Some(due) = action.next_call {
            if due + LATE < Utc::now() {
                report.problem(
                    format_args!("The scheduled action \"{name}\" was due at {}", local(due)),
                    "Odoo does not call its scheduled actions: see `max_cron_threads` and its log.",
                );
            } else {
                report.ok(format_args!("Odoo calls \"{name}\" next at {}", local(due)));
            }
        }
    }
}

/// A moment in this machine's own time.
fn local(moment: DateTime<Utc>) -> String {
    moment.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string()
}

/// The SHA-256 of a token, in hexadecimal.
fn digest(token: &SecretString) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.expose_secret().as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
