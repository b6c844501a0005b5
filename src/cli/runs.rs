//! `runs`: shows the runs in Odoo's ledger, and stops one.

use std::process::ExitCode;

use chrono::{DateTime, Local, Utc};

use super::context::connect;
use super::failure::Failure;
use super::printer::outln;
use crate::config::Config;
use crate::odoo;
use crate::odoo::run::{self, Kind, RunRecord, State};

/// How many failures are shown with a run; Odoo shows all of them.
const FAILURES: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the latest runs, newest first
    List {
        /// Show at most N runs
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show one run and its failures
    Show {
        /// Number of the run
        run_id: i64,
    },
    /// Stop a run; what it has stored is kept
    Cancel {
        /// Number of the run
        run_id: i64,
    },
}

pub(super) async fn run(config: &Config, args: &Args) -> Result<ExitCode, Failure> {
    let odoo = connect(config).await?;
    match args.command.as_ref().unwrap_or(&Command::List { limit: 20 }) {
        Command::List { limit } => list(&odoo, *limit, args.json).await?,
        Command::Show { run_id } => show(&odoo, *run_id, args.json).await?,
        Command::Cancel { run_id } => cancel(&odoo, *run_id, args.json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(odoo: &odoo::Client, limit: u32, json: bool) -> Result<(), Failure> {
    let runs = run::list(odoo, limit as usize).await?;
    if json {
        return print_json(&runs);
    }
    if runs.is_empty() {
        outln!("There are no runs yet.");
        return Ok(());
    }
    outln!(
        "{:>6}  {:<9}  {:<7}  {:<7}  {:<16}  {:>15}  {:>6}  connector",
        "run",
        "state",
        "kind",
        "by",
        "started",
        "done",
        "failed"
    );
    for run in runs {
        let started = run.started_at.map(|at| local(at).format("%Y-%m-%d %H:%M").to_string());
        outln!(
            "{:>6}  {:<9}  {:<7}  {:<7}  {:<16}  {:>15}  {:>6}  {}",
            run.id,
            run.state,
            run.kind,
            run.trigger,
            started.unwrap_or_default(),
            done(&run),
            run.failed,
            run.connector.as_deref().unwrap_or_default(),
        );
    }
    Ok(())
}

async fn show(odoo: &odoo::Client, run_id: i64, json: bool) -> Result<(), Failure> {
    let run = existing(odoo, run_id).await?;
    let failures = run::failures(odoo, run_id, 0, FAILURES).await?;
    if json {
        let mut object = serde_json::json!(run);
        object["failures"] = serde_json::json!(failures);
        return print_json(&object);
    }
    outln!("Run {}: {} ({}, by {})", run.id, run.state, run.kind, run.trigger);
    let line = |name: &str, value: String| {
        if !value.is_empty() {
            outln!("  {name:<15} {value}");
        }
    };
    let moment = |at: Option<DateTime<Utc>>| {
        at.map(|at| local(at).format("%Y-%m-%d %H:%M:%S %:z").to_string()).unwrap_or_default()
    };
    line("connector", run.connector.clone().unwrap_or_default());
    line("requested by", run.requested_by.clone().unwrap_or_default());
    line("worker", run.worker.clone().unwrap_or_default());
    line("attempt", run.attempt.to_string());
    line("started", moment(run.started_at));
    line("finished", moment(run.finished_at));
    if run.listed > 0 {
        line("listed", run.listed.to_string());
    }
    line("answered", format!("{} of {}", answered(&run), run.total));
    line("found", run.found.to_string());
    line("no date", run.no_date.to_string());
    line("not registered", run.not_registered.to_string());
    line("failed", run.failed.to_string());
    line("message", run.message.clone());
    for failure in &failures {
        outln!("  - {}: {} ({})", failure.permit_number, failure.reason, failure.detail);
    }
    if failures.len() == FAILURES {
        outln!("  … and perhaps more: Odoo shows all of them.");
    }
    Ok(())
}

async fn cancel(odoo: &odoo::Client, run_id: i64, json: bool) -> Result<(), Failure> {
    existing(odoo, run_id).await?;
    let state = run::cancel(odoo, run_id).await?;
    if json {
        return print_json(&serde_json::json!({ "run_id": run_id, "state": state }));
    }
    if state == State::Running {
        outln!("Run {run_id} stops as soon as its worker learns of it, within seconds.");
    } else {
        outln!("Run {run_id} is {state}.");
    }
    Ok(())
}

async fn existing(odoo: &odoo::Client, run_id: i64) -> Result<RunRecord, Failure> {
    run::read(odoo, run_id).await?.ok_or_else(|| {
        Failure::permanent(format!(
            "There is no run {run_id} in Odoo: `runs list` shows those there are."
        ))
    })
}

/// How far a run has come: permits answered of all, or listed where it reads the listing.
fn done(run: &RunRecord) -> String {
    if run.kind == Kind::Permits {
        format!("{} listed", run.listed)
    } else {
        format!("{}/{}", answered(run), run.total)
    }
}

fn answered(run: &RunRecord) -> u64 {
    run.found + run.no_date + run.not_registered + run.failed
}

/// A moment in this machine's own time, for people; JSON has UTC.
fn local(moment: DateTime<Utc>) -> DateTime<Local> {
    moment.with_timezone(&Local)
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    outln!("{}", serde_json::to_string(value).expect("these have only plain keys"));
    Ok(())
}
