//! `sync` in Odoo's ledger: it makes a run, which Odoo's pages show, and works on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::job::Job;
use super::worked::{LAST_CALL, Worked, unnoted};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::host_lock::HostLock;
use crate::cli::progress::ProgressReporter;
use crate::cli::signals::Interrupt;
use crate::odoo::run::{self, Lease, Started, Trigger};
use crate::odoo::{self, Error};
use crate::outbound;
use crate::sync::heartbeat::LEASE_SECONDS;
use crate::sync::{self, ClaimedRun, Ended, Halt};

/// How long after an interruption a run that is being made is waited for.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Makes a run and works on it.
pub(super) async fn work(
    context: &Context,
    job: &Job,
    interrupt: &Interrupt,
) -> Result<Worked, Failure> {
    let worker = sync::worker_name();
    let odoo = &context.odoo;
    // The ledger locks the connector's own server for this run; another one has to be locked here.
    let mut _lock = None;
    if job.common.api_url.is_some() {
        let server = outbound::server(&context.settings.api_url);
        interrupt.before_work(check_idle(context, &server)).await?;
        _lock = Some(HostLock::acquire(&server)?);
    }
    let started = start(context, job, &worker, interrupt).await?;
    let run_id = started.run_id;
    let Some(claim) = started.run else {
        return Err(held_by_another(context, &started).await);
    };
    let mut reporter = ProgressReporter::new(claim.total);
    let mut claimed = ClaimedRun {
        odoo,
        schema: &context.schema,
        worker: &worker,
        kind: job.kind,
        claim,
        wake: Arc::default(),
    };
    interrupt.work_begins();
    let mut ended = claimed.work(&context.sicantik, interrupt.stop(), &mut reporter).await;
    reporter.end();
    let impatient = odoo.with_retry_budget(Duration::ZERO);
    if matches!(&ended.halt, Some(Halt::Odoo(error)) if error.is_transient()) {
        claimed.odoo = &impatient;
    }
    let is_halted = ended.halt.is_some();
    let unnoted = match finish(&claimed, &mut ended).await {
        Ok(()) => None,
        // Answers are stored. The lease expires, and the next run closes this one.
        Err(error) if is_halted => {
            tracing::warn!(%error, "The run could not be ended in Odoo");
            None
        }
        Err(error) => Some(unnoted("the run could not be ended in Odoo", &error)),
    };
    Ok(Worked { ended, run_id: Some(run_id), unnoted })
}

/// Makes the run, and claims it. An interrupt takes it back.
async fn start(
    context: &Context,
    job: &Job,
    worker: &str,
    interrupt: &Interrupt,
) -> Result<Started, Failure> {
    let odoo = &context.odoo;
    let lease = Lease { worker, seconds: LEASE_SECONDS };
    let (connector_id, selection) = (context.connector.id, &job.selection);
    let starting = run::start(odoo, connector_id, job.kind, Trigger::Cli, Some(lease), selection);
    let mut starting = std::pin::pin!(starting);
    tokio::select! {
        started = &mut starting => Ok(started?),
        () = interrupt.stop().cancelled() => {
            // Odoo may be making it just now, and would keep the connector for it until its lease
            // is over.
            if let Ok(Ok(started)) = timeout(LAST_MOMENT, starting).await {
                take_back(odoo, &started, worker).await;
            }
            Err(Interrupt::too_early())
        }
    }
}

/// Ends the run in Odoo.
async fn finish(claimed: &ClaimedRun<'_>, ended: &mut Ended) -> Result<(), Error> {
    match &ended.halt {
        // Nothing was asked: delete the run.
        Some(Halt::Away(_)) => {
            run::abandon(claimed.odoo, claimed.claim.run_id, claimed.worker).await.map(drop)
        }
        // It has just been waited for in vain.
        Some(Halt::Odoo(error)) if error.is_transient() => {
            timeout(LAST_CALL, claimed.finish(ended)).await.unwrap_or(Ok(()))
        }
        _ => claimed.finish(ended).await,
    }
}

/// Fails if a run of the ledger asks `server` now: two at once would ask it at twice the rate.
pub(super) async fn check_idle(context: &Context, server: &str) -> Result<(), Failure> {
    match run::working_on(&context.odoo, server).await? {
        None => Ok(()),
        Some(run) => Err(Failure::conflict(format!(
            "SICANTIK at {server} is being asked by run {id} now: wait for its end, or stop it with \
             `runs cancel {id}` or in Odoo.",
            id = run.id,
        ))),
    }
}

/// Takes back a run that was made although nobody wants it any more.
async fn take_back(odoo: &odoo::Client, started: &Started, worker: &str) {
    let impatient = odoo.with_retry_budget(Duration::ZERO);
    let taking_back = async {
        match (&started.run, started.created) {
            (Some(_), _) => run::abandon(&impatient, started.run_id, worker).await.map(drop),
            (None, true) => run::cancel(&impatient, started.run_id).await.map(drop),
            (None, false) => Ok(()),
        }
    };
    if let Ok(Err(error)) = timeout(LAST_CALL, taking_back).await {
        tracing::warn!(%error, "Run {} could not be taken back", started.run_id);
    }
}

/// Says what keeps this run from being worked on.
async fn held_by_another(context: &Context, started: &Started) -> Failure {
    let (run_id, connector) = (started.run_id, &context.connector.name);
    if started.created {
        // The run is ours, but another connector's run holds its server. It would wait for a
        // sidecar; a command does not wait.
        if let Err(error) = run::cancel(&context.odoo, run_id).await {
            tracing::warn!(%error, "Run {run_id} could not be taken back and waits in Odoo");
        }
        return Failure::conflict(format!(
            "SICANTIK at {} is being worked on for another connector: `runs list` shows by which run. \
             Wait for its end.",
            outbound::server(&context.settings.api_url),
        ));
    }
    let who = started.worker.as_ref().map_or_else(
        || "waits for a sidecar".to_owned(),
        |worker| format!("is being worked on by {worker}"),
    );
    Failure::conflict(format!(
        "Run {run_id} of connector `{connector}`, asked for by {}, {who}: wait for its end, or stop it \
         with `runs cancel {run_id}` or in Odoo.",
        started.requested_by,
    ))
}
