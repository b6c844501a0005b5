//! How `sync` does its work: in Odoo's ledger, on an Odoo without one, or writing nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Command, CommonArgs, plain};
use crate::cli::alone;
use crate::cli::exit::Failure;
use crate::cli::output::{Display, Summary};
use crate::cli::print::errln;
use crate::cli::setup::{Interrupt, Setup, host};
use crate::config::Config;
use crate::odoo::run::{self, Selection, Started};
use crate::odoo::{self, Domain, Mode, permit};
use crate::sicantik;
use crate::sync::listing::{self, Import, Sweep};
use crate::sync::{
    self, DEFAULT_PAGE_SIZE, DrySink, Ended, Halt, Held, ListingUse, PlainSink, Progress, Reporter,
    Tally, Work,
};

/// The lease of a run on the command line, seconds: after so long without a sign of life it is given up.
const LEASE_SECONDS: u32 = 30;

/// How long an Odoo that was away is given to hear of the run's end.
const LAST_WORD: Duration = Duration::from_secs(3);

/// How long after an interruption a run that is being made is waited for.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// What is to be done.
pub(super) struct Job {
    /// The ledger's word for it.
    kind: &'static str,
    pub(super) common: CommonArgs,
    selection: Selection,
}

impl From<Command> for Job {
    fn from(command: Command) -> Self {
        let (kind, args) = match command {
            Command::Permits(common) => {
                return Self { kind: "permits", common, selection: Selection::default() };
            }
            Command::Expiry(args) => ("expiry", args),
            Command::All(args) => ("all", args),
        };
        let selection = Selection {
            max_permits: args.max_permits,
            include_not_due: args.include_not_due,
            refresh_older_than: args.refresh_older_than,
            permit_ids: None,
        };
        Self { kind, common: args.common, selection }
    }
}

/// The run's result and, if it did not come to its end, why.
pub(super) type Finished = (Summary, Option<Failure>);

pub(super) async fn work(config: &Config, job: &Job) -> Result<Finished, Failure> {
    let interrupt = Interrupt::listen();
    let common = &job.common;
    let (wanted, api_url) = (common.connector.as_deref(), common.api_url.as_deref());
    let making = Setup::make(config, wanted, api_url, interrupt.stop());
    let setup = interrupt.before_work(making).await?;
    errln!(
        "Connector `{}`: SICANTIK at {}, Odoo {} over {}",
        setup.connector.name,
        host(&setup.settings),
        setup.odoo.version().text,
        setup.odoo.protocol().path(),
    );
    let Worked { ended, run_id, unnoted } = match (setup.schema.mode, common.dry_run) {
        (Mode::Ledger, false) => with_ledger(&setup, job, &interrupt).await?,
        (Mode::Plain, _) if job.kind != "expiry" => {
            return Err(Failure::wrong(format!(
                "`sync {}` needs the addon `sicantik_sidecar` in Odoo: permits are made and changed through it. \
                 Without it there is `sync expiry`.",
                job.kind
            )));
        }
        (Mode::Plain, false) => without_ledger(&setup, job, &interrupt).await?,
        (_, true) => {
            Worked { ended: dry(&setup, job, &interrupt).await?, run_id: None, unnoted: None }
        }
    };
    let mut summary = Summary::new(&ended.progress, ended.imported.as_ref());
    summary.odoo_calls = setup.odoo.calls();
    summary.run_id = run_id.filter(|_| !matches!(ended.halt, Some(Halt::Away(_))));
    summary.dry_run = common.dry_run;
    let failure = ended.halt.map(|halt| failure(halt, &host(&setup.settings), &ended.progress));
    let failure = failure.or(unnoted);
    summary.success = failure.is_none();
    summary.error = failure.as_ref().map(ToString::to_string);
    Ok((summary, failure))
}

/// How the work ended.
struct Worked {
    ended: Ended,
    run_id: Option<i64>,
    /// Why its end is not noted in Odoo, although it came to it.
    unnoted: Option<Failure>,
}

/// Makes a run in the ledger, so that Odoo's pages show it, and works on it.
async fn with_ledger(setup: &Setup, job: &Job, interrupt: &Interrupt) -> Result<Worked, Failure> {
    let worker = sync::worker_name();
    let (odoo, connector) = (&setup.odoo, &setup.connector);
    // The ledger keeps the connector's own server for this run; another one has to be kept here.
    let mut _alone = None;
    if job.common.api_url.is_some() {
        let server = sicantik::server(&setup.settings.api_url);
        interrupt.before_work(not_asked_by_a_run(setup, &server)).await?;
        _alone = Some(alone::keep(&server)?);
    }
    let starting = run::start(
        odoo,
        connector.id,
        job.kind,
        "cli",
        Some(&worker),
        LEASE_SECONDS,
        &job.selection,
    );
    let mut starting = std::pin::pin!(starting);
    let started = tokio::select! {
        started = &mut starting => started?,
        () = interrupt.stop().cancelled() => {
            // Odoo may be making it just now, and would keep the connector for it until its lease is over.
            if let Ok(Ok(started)) = timeout(LAST_MOMENT, starting).await {
                take_back(odoo, &started, &worker).await;
            }
            return Err(Interrupt::too_early());
        }
    };
    let run_id = started.run_id;
    let Some(payload) = started.run else {
        return Err(held_by_another(setup, &started).await);
    };
    let mut display = Display::new(payload.total);
    let mut held =
        Held { odoo, schema: &setup.schema, worker: &worker, payload, nudge: Arc::default() };
    interrupt.work_begins();
    let mut ended = held.work(&setup.sicantik, interrupt.stop(), &mut display).await;
    display.end();
    let hasty = odoo.with_patience(Duration::ZERO);
    let written = match &ended.halt {
        // Nothing was asked: the run never was.
        Some(Halt::Away(_)) => run::abandon(odoo, run_id, &worker).await.map(drop),
        // It has just been waited for in vain.
        Some(Halt::Odoo(error)) if error.is_passing() => {
            held.odoo = &hasty;
            timeout(LAST_WORD, held.finish(&mut ended)).await.unwrap_or(Ok(()))
        }
        _ => held.finish(&mut ended).await,
    };
    let unnoted = match written {
        // What is stored is stored: the lease runs out, and the next run ends this one.
        Err(error) if ended.halt.is_some() => {
            tracing::warn!(%error, "The run could not be ended in Odoo");
            None
        }
        Err(error) => Some(unnoted("the run could not be ended in Odoo", &error)),
        Ok(()) => None,
    };
    Ok(Worked { ended, run_id: Some(run_id), unnoted })
}

/// All that there was to store is stored, but not what a run leaves behind at its end.
pub(super) fn unnoted(what: &str, error: &odoo::Error) -> Failure {
    let sentence = format!("What was answered is stored, but {what}: {error}");
    if error.is_passing() { Failure::stuck(sentence) } else { Failure::wrong(sentence) }
}

/// That no run of the ledger asks `server` now: two at once would ask it at twice the rate.
async fn not_asked_by_a_run(setup: &Setup, server: &str) -> Result<(), Failure> {
    match run::working_on(&setup.odoo, server).await? {
        None => Ok(()),
        Some(run) => Err(Failure::held(format!(
            "SICANTIK at {server} is being asked by run {id} now: wait for its end, or stop it with `runs cancel {id}` \
             or in Odoo.",
            id = run.id,
        ))),
    }
}

/// Takes back a run that was made although nobody wanted it any more.
async fn take_back(odoo: &odoo::Client, started: &Started, worker: &str) {
    let hasty = odoo.with_patience(Duration::ZERO);
    let taking_back = async {
        match (&started.run, started.created) {
            (Some(_), _) => run::abandon(&hasty, started.run_id, worker).await.map(drop),
            (None, true) => run::cancel(&hasty, started.run_id).await.map(drop),
            (None, false) => Ok(()),
        }
    };
    if let Ok(Err(error)) = timeout(LAST_WORD, taking_back).await {
        tracing::warn!(%error, "Run {} could not be taken back", started.run_id);
    }
}

/// Says who keeps this run from being worked on.
async fn held_by_another(setup: &Setup, started: &Started) -> Failure {
    let (run_id, connector) = (started.run_id, &setup.connector.name);
    if started.created {
        // The run is ours, but another connector's holds its server. It would wait for a sidecar; who typed a
        // command waits for nothing.
        if let Err(error) = run::cancel(&setup.odoo, run_id).await {
            tracing::warn!(%error, "Run {run_id} could not be taken back and waits in Odoo");
        }
        return Failure::held(format!(
            "SICANTIK at {} is being worked on for another connector: `runs list` shows by which run. Wait for its \
             end.",
            host(&setup.settings),
        ));
    }
    let who = started.worker.as_ref().map_or_else(
        || "waits for a sidecar".to_owned(),
        |worker| format!("is being worked on by {worker}"),
    );
    Failure::held(format!(
        "Run {run_id} of connector `{connector}`, asked for by {}, {who}: wait for its end, or stop it with \
         `runs cancel {run_id}` or in Odoo.",
        started.requested_by,
    ))
}

/// Works on an Odoo that has no ledger.
async fn without_ledger(
    setup: &Setup,
    job: &Job,
    interrupt: &Interrupt,
) -> Result<Worked, Failure> {
    let _alone = alone::keep(&sicantik::server(&setup.settings.api_url))?;
    let may_note = interrupt.before_work(plain::rights(setup)).await?;
    let plan = interrupt.before_work(Plan::plain(setup, job)).await?;
    let mut sink = PlainSink::new(&setup.odoo, &setup.schema);
    let ended = plan.work(setup, job, &mut sink, interrupt).await;
    let unnoted = if may_note { plain::note(setup, &ended).await } else { None };
    if let (Some(_), Some(unnoted)) = (&ended.halt, &unnoted) {
        tracing::warn!("{unnoted}");
    }
    Ok(Worked { ended, run_id: None, unnoted })
}

/// Asks, and writes nothing.
async fn dry(setup: &Setup, job: &Job, interrupt: &Interrupt) -> Result<Ended, Failure> {
    let server = sicantik::server(&setup.settings.api_url);
    let _alone = alone::keep(&server)?;
    let mut sink = DrySink::default();
    if setup.schema.mode == Mode::Ledger {
        interrupt.before_work(not_asked_by_a_run(setup, &server)).await?;
        sink = DrySink::making_way(&setup.odoo, &server);
    }
    let mut imported = None;
    if job.kind != "expiry" {
        let mut display = Display::new(0);
        interrupt.work_begins();
        let import = Import {
            sicantik: &setup.sicantik,
            how: Sweep::of(page_size(setup)),
            ledger: None,
            nudge: Arc::default(),
        };
        let ended = listing::import(import, &mut |imported| display.report_listing(imported)).await;
        display.end();
        if ended.halt.is_some() || job.kind == "permits" {
            let progress = Progress::default();
            return Ok(Ended { progress, imported: Some(ended.imported), halt: ended.halt });
        }
        imported = Some(ended.imported);
    }
    let plan = match setup.schema.mode {
        Mode::Ledger => {
            let planning = run::plan(&setup.odoo, setup.connector.id, &job.selection);
            let plan = interrupt.before_work(planning).await?;
            Plan::new(plan.domains, plan.total, job)
        }
        Mode::Plain => interrupt.before_work(Plan::plain(setup, job)).await?,
    };
    let ended = plan.work(setup, job, &mut sink, interrupt).await;
    if matches!(ended.halt, Some(Halt::Lost)) {
        return Err(Failure::held(format!(
            "A run began to ask SICANTIK at {server}, and the dry run made way for it: repeat it when that has ended."
        )));
    }
    Ok(Ended { imported, ..ended })
}

fn page_size(setup: &Setup) -> u32 {
    setup.connector.page_size.unwrap_or(DEFAULT_PAGE_SIZE)
}

/// Which permits to ask for.
struct Plan {
    domains: Vec<Domain>,
    total: u64,
    limit: Option<usize>,
}

impl Plan {
    fn new(domains: Vec<Domain>, total: u64, job: &Job) -> Self {
        let most = job.selection.max_permits;
        let total = most.map_or(total, |most| total.min(most.into()));
        Self { domains, total, limit: most.map(|most| most as usize) }
    }

    async fn plain(setup: &Setup, job: &Job) -> Result<Self, Failure> {
        let domains = permit::plain_domains(
            &setup.schema,
            setup.connector.id,
            job.selection.refresh_older_than,
            chrono::Utc::now(),
        );
        let total = permit::count(&setup.odoo, &domains).await?;
        Ok(Self::new(domains, total, job))
    }

    async fn work<S: sync::Sink>(
        self,
        setup: &Setup,
        job: &Job,
        sink: &mut S,
        interrupt: &Interrupt,
    ) -> Ended {
        let ask_undated = job.selection.include_not_due;
        let work = Work {
            pages: || sync::permits(&setup.odoo, &setup.schema, self.domains.clone(), self.limit),
            total: self.total,
            earlier: run::Counts::default(),
            listing: ListingUse::Look { page_size: page_size(setup), ask_undated },
            nudge: Arc::default(),
        };
        let mut display = Display::new(self.total);
        interrupt.work_begins();
        let ended = sync::run(work, &setup.sicantik, sink, interrupt.stop(), &mut display).await;
        display.end();
        ended
    }
}

fn failure(halt: Halt, host: &str, progress: &Progress) -> Failure {
    let answered = progress.counts.answered();
    let kept = format!("{answered} permits were answered; a second run continues with the rest.");
    match halt {
        Halt::Odoo(error) => error.into(),
        Halt::Away(error) => Failure::stuck(format!(
            "SICANTIK at {host} cannot be used now: {error}. Nothing was written; try again later, or run `doctor`."
        )),
        Halt::Sicantik(_) | Halt::Lost => Failure::stuck(format!("{halt} {kept}")),
        Halt::Cancelled | Halt::Interrupted => Failure::interrupted(format!("{halt} {kept}")),
    }
}
