//! What `doctor` says of Odoo: the key, the addon, and what the user may do.

use std::fmt::Display;

use chrono::Utc;

use super::report::Report;
use crate::odoo::run::{Plan, Selection};
use crate::odoo::{self, Connector, Mode, Schema, Settings, connector, model, permit, run, schema};

/// What Odoo has.
#[derive(Default)]
pub(super) struct Found {
    /// The connectors to check.
    pub(super) connectors: Vec<Connector>,
    /// The client of an Odoo with a ledger of runs.
    pub(super) ledger: Option<odoo::Client>,
}

/// Checks Odoo, with the connector named `wanted` or all active ones. `None` after a problem that
/// leaves nothing else to check.
pub(super) async fn check(
    settings: &Settings,
    wanted: Option<&str>,
    report: &mut Report,
) -> Option<Found> {
    let odoo = or_problem(odoo::Client::connect(settings).await, report)?;
    report.ok(format_args!(
        "Odoo {} answers, over {}",
        odoo.version().text,
        odoo.protocol().path()
    ));
    for odoo::Remark { finding, advice } in odoo.remarks() {
        report.note(finding, advice);
    }
    key_owner(&odoo, settings, report).await;
    key_expiry(&odoo, &settings.login, report).await;
    let schema = or_problem(Schema::read(&odoo).await, report)?;
    match schema.mode {
        Mode::Ledger => {
            report.ok("The addon `sicantik_sidecar` is installed: runs are kept in its ledger")
        }
        Mode::Plain => report.note(
            "The addon `sicantik_sidecar` is not installed: dates go to another module's models",
            "Install it for buttons, a history of runs, and each failure.",
        ),
    }
    let connectors = match connector::find(&odoo, &schema, wanted, false).await {
        Err(connector::FindError::Several { active }) if wanted.is_none() => active,
        found => vec![or_problem(found, report)?],
    };
    match schema.mode {
        Mode::Ledger => ledger_rights(&odoo, &connectors, report).await,
        Mode::Plain => plain_rights(&odoo, report).await,
    }
    let ledger = (schema.mode == Mode::Ledger).then_some(odoo);
    Some(Found { connectors, ledger })
}

/// The value, or `None` with the error as a problem.
fn or_problem<T, E: Display>(result: Result<T, E>, report: &mut Report) -> Option<T> {
    result.map_err(|error| report.problem(error, "")).ok()
}

/// Over `/json/2` the key alone identifies the user: a login of somebody else shows only here.
async fn key_owner(odoo: &odoo::Client, settings: &Settings, report: &Report) {
    match odoo::key_owner(odoo).await {
        Some(owner) if owner != settings.login => report.note(
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
                    report.note(
                        finding,
                        "Make a new key in Odoo in time and set it as ODOO_API_KEY.",
                    );
                } else {
                    report.ok(finding);
                }
            }
        }
        Ok(None) => report.note(
            "When the key expires cannot be seen from here",
            "Look in Odoo at the user's preferences, Account Security.",
        ),
        Err(error) => {
            report.note(format_args!("When the key expires is not known: {error}"), "Try again.")
        }
    }
}

/// Whether the user may work on runs.
async fn ledger_rights(odoo: &odoo::Client, connectors: &[Connector], report: &mut Report) {
    for connector in connectors {
        match run::plan(odoo, connector.id, &Selection::default()).await {
            Ok(plan) if !plan.may_work => report.problem(
                "The user may see runs, but not work on them",
                "Give it the group \"SICANTIK: sidecar (technical user)\"; `deploy/technical_user.py` makes such a user.",
            ),
            Ok(plan) => due(odoo, connector, &plan, report).await,
            Err(error) => report.problem(error, ""),
        }
    }
}

/// How many permits are due, and whether the user may read them all: the ledger counts all.
async fn due(odoo: &odoo::Client, connector: &Connector, plan: &Plan, report: &mut Report) {
    let (name, total) = (&connector.name, plan.total);
    match permit::count(odoo, &plan.domains).await {
        Ok(readable) if readable < total => report.problem(
            format_args!(
                "Connector `{name}`: {} of {total} permits that are due are hidden from `{}`",
                total - readable,
                odoo.settings().login
            ),
            "A record rule or the user's companies hide them: in Odoo's developer mode look under \
             Settings > Technical > Record Rules, and give the user the companies of the permits.",
        ),
        Ok(_) => {
            report.ok(format_args!("Connector `{name}`: {total} permits are due to be asked for"))
        }
        Err(error) => report.problem(error, ""),
    }
}

/// Whether the user may do what a run does without the addon.
async fn plain_rights(odoo: &odoo::Client, report: &mut Report) {
    let needed = [
        (model::PERMIT, "read"),
        (model::PERMIT, "write"),
        (model::CONNECTOR, "read"),
        (model::CONNECTOR, "write"),
    ];
    for (model, operation) in needed {
        match schema::may(odoo, model, operation).await {
            Ok(true) => report.ok(format_args!("The user may {operation} {model}")),
            Ok(false) if (model, operation) == (model::CONNECTOR, "write") => report.note(
                "The user may not write sicantik.connector: its statistics stay as they are",
                "Give it a group of the module that brings the model.",
            ),
            Ok(false) => report.problem(
                format_args!("The user may not {operation} {model}"),
                "Give it a group of the module that brings the model.",
            ),
            Err(error) => report.problem(error, ""),
        }
    }
}
