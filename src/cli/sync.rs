//! `sync`: the work, from the command line.

use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::exit::{Failure, WITH_FAILURES};
use super::output::{Display, Summary};
use super::setup::{Setup, host, stop_on_signal};
use crate::config::{self, Config};
use crate::odoo::permit;
use crate::odoo::run::{self, Selection};
use crate::odoo::{Domain, Mode, connector};
use crate::sync::{self, DrySink, Ended, Halt, Held, PlainSink, Progress, Work};

/// The lease of a run on the command line, seconds: after so long without a sign of life it is given up.
const LEASE_SECONDS: u32 = 30;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Fetch the expiry dates of permits that have none, one request per permit
    Expiry(ExpiryArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ExpiryArgs {
    /// The connector to work on; needed where several are active
    #[arg(long, value_name = "NAME|ID")]
    connector: Option<String>,
    /// Ask for so many permits at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_permits: Option<u32>,
    /// Ask, but write nothing to Odoo
    #[arg(long)]
    dry_run: bool,
    /// Ask again for dates that were last checked more than DAYS ago, after those without a date
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    refresh_older_than: Option<u32>,
    /// Ask also for permits that had no date lately and are not due to be asked again yet
    #[arg(long)]
    include_not_due: bool,
    /// Ask the SICANTIK at this address instead of the connector's
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) fn run(
        self,
        config: impl FnOnce() -> Result<Config, config::Error>,
    ) -> Result<ExitCode, Failure> {
        let Self::Expiry(args) = self;
        let result = config()
            .map_err(Failure::from)
            .and_then(|config| super::block_on(expiry(&config, &args)));
        let (summary, failure) = match result {
            Ok(finished) => finished,
            Err(failure) => (Summary::failed(&failure.to_string()), Some(failure)),
        };
        if args.json {
            println!("{}", serde_json::to_string(&summary).expect("a summary has only plain keys"));
        } else if summary.total > 0 || failure.is_none() {
            println!("{summary}");
        }
        match failure {
            Some(failure) => Err(failure),
            None if summary.errors > 0 => Ok(ExitCode::from(WITH_FAILURES)),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// The run's result and, if it did not come to its end, why.
type Finished = (Summary, Option<Failure>);

async fn expiry(config: &Config, args: &ExpiryArgs) -> Result<Finished, Failure> {
    let stop = stop_on_signal();
    let setup =
        Setup::make(config, args.connector.as_deref(), args.api_url.as_deref(), &stop).await?;
    eprintln!(
        "Connector `{}`: SICANTIK at {}, Odoo {} over {}",
        setup.connector.name,
        host(&setup.settings),
        setup.odoo.version().text,
        setup.odoo.protocol().path(),
    );
    let selection = Selection {
        max_permits: args.max_permits,
        include_not_due: args.include_not_due,
        refresh_older_than: args.refresh_older_than,
        permit_ids: None,
    };
    let (ended, run_id) = match (setup.schema.mode, args.dry_run) {
        (Mode::Ledger, true) => {
            let plan = run::plan(&setup.odoo, setup.connector.id, &selection).await?;
            let plan = Plan::new(plan.domains, plan.total, args.max_permits);
            (plan.work(&setup, &mut DrySink, &stop).await, None)
        }
        (Mode::Plain, true) => {
            let plan = Plan::plain(&setup, args).await?;
            (plan.work(&setup, &mut DrySink, &stop).await, None)
        }
        (Mode::Ledger, false) => {
            let (ended, run_id) = with_ledger(&setup, &selection, &stop).await?;
            (ended, Some(run_id))
        }
        (Mode::Plain, false) => (plain(&setup, args, &stop).await?, None),
    };
    let mut summary = Summary::new(&ended.progress);
    summary.odoo_calls = setup.odoo.calls();
    summary.run_id = run_id;
    summary.dry_run = args.dry_run;
    let failure = ended.halt.map(|halt| failure(halt, &ended.progress));
    summary.success = failure.is_none();
    summary.error = failure.as_ref().map(ToString::to_string);
    Ok((summary, failure))
}

/// Makes a run in the ledger, so that Odoo's pages show it, and works on it.
async fn with_ledger(
    setup: &Setup,
    selection: &Selection,
    stop: &CancellationToken,
) -> Result<(Ended, i64), Failure> {
    let worker = sync::worker_name();
    let (odoo, connector) = (&setup.odoo, &setup.connector);
    let started =
        run::start(odoo, connector.id, "expiry", "cli", Some(&worker), LEASE_SECONDS, selection)
            .await?;
    let Some(payload) = started.run else {
        let who = started.worker.map_or_else(
            || "waits for a sidecar".to_owned(),
            |worker| format!("is being worked on by {worker}"),
        );
        return Err(Failure::held(format!(
            "Run {} of connector `{}`, asked for by {}, {who}: wait for its end, or stop it with \
             `runs cancel {0}` or in Odoo.",
            started.run_id, connector.name, started.requested_by,
        )));
    };
    let mut display = Display::new(payload.total);
    let held =
        Held { odoo, schema: &setup.schema, worker: &worker, payload, nudge: Arc::default() };
    let ended = held.work(&setup.sicantik, stop, &mut display).await;
    display.end();
    match held.finish(&ended).await {
        // What is stored is stored: the lease runs out, and the next run ends this one.
        Err(error) if ended.halt.is_some() => {
            tracing::warn!(%error, "The run could not be ended in Odoo");
        }
        Err(error) => return Err(error.into()),
        Ok(()) => {}
    }
    Ok((ended, held.payload.run_id))
}

/// Works on an Odoo that has no ledger.
async fn plain(
    setup: &Setup,
    args: &ExpiryArgs,
    stop: &CancellationToken,
) -> Result<Ended, Failure> {
    let mut sink = PlainSink::new(&setup.odoo, &setup.schema);
    let ended = Plan::plain(setup, args).await?.work(setup, &mut sink, stop).await;
    let (odoo, schema, progress) = (&setup.odoo, &setup.schema, &ended.progress);
    connector::write_statistics(
        odoo,
        schema,
        setup.connector.id,
        progress.counts.found,
        progress.elapsed.as_secs_f64(),
        chrono::Utc::now(),
    )
    .await?;
    Ok(ended)
}

/// Which permits to ask for.
struct Plan {
    domains: Vec<Domain>,
    total: u64,
    limit: Option<usize>,
}

impl Plan {
    fn new(domains: Vec<Domain>, total: u64, max_permits: Option<u32>) -> Self {
        let limit = max_permits.map(|most| most as usize);
        let total = max_permits.map_or(total, |most| total.min(most.into()));
        Self { domains, total, limit }
    }

    async fn plain(setup: &Setup, args: &ExpiryArgs) -> Result<Self, Failure> {
        let domains = permit::plain_domains(
            &setup.schema,
            setup.connector.id,
            args.refresh_older_than,
            chrono::Utc::now(),
        );
        let total = permit::count(&setup.odoo, &domains).await?;
        Ok(Self::new(domains, total, args.max_permits))
    }

    async fn work<S: sync::Sink>(
        self,
        setup: &Setup,
        sink: &mut S,
        stop: &CancellationToken,
    ) -> Ended {
        let work = Work {
            pages: sync::permits(&setup.odoo, &setup.schema, self.domains, self.limit),
            total: self.total,
            earlier: run::Counts::default(),
            nudge: Arc::default(),
        };
        let mut display = Display::new(self.total);
        let ended = sync::run(work, &setup.sicantik, sink, stop, &mut display).await;
        display.end();
        ended
    }
}

fn failure(halt: Halt, progress: &Progress) -> Failure {
    use sync::Tally;
    let answered = progress.counts.answered();
    let kept = format!("{answered} permits were answered; a second run continues with the rest.");
    match halt {
        Halt::Odoo(error) => error.into(),
        Halt::Sicantik(_) | Halt::Lost => Failure::stuck(format!("{halt} {kept}")),
        Halt::Cancelled | Halt::Interrupted => Failure::interrupted(format!("{halt} {kept}")),
    }
}
