//! Looks for runs in Odoo's ledger and works on them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::state::{Connected, Shared};
use super::{api, metrics as figures};
use crate::odoo::run::{self, Counts, End, Payload};
use crate::odoo::{self, Mode, Schema};
use crate::sicantik;
use crate::sync::{Ended, Halt, Held, Progress, Reporter};

/// How often the ledger is asked for a run when nobody says that there is one.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long a run is held without a sign of life, seconds. Signs come every 4 s.
const LEASE_SECONDS: u32 = 30;

/// How long a run waits for an Odoo that is away before it is left to whoever claims it next.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long what is being worked on has to be given back once the service is to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Runs of different hosts that are worked on at once.
const MOST_RUNS: usize = 8;

/// How often the expiry of the key is looked up.
const KEY_EVERY: Duration = Duration::from_secs(3_600);

/// Works until `stop` is cancelled, then gives back what it holds.
pub(super) async fn work(shared: Arc<Shared>, stop: CancellationToken) {
    let runs = TaskTracker::new();
    let mut key_asked = None::<Instant>;
    while !stop.is_cancelled() {
        match look(&shared, &runs, &stop).await {
            Ok(()) => {
                if key_asked.is_none_or(|at| at.elapsed() > KEY_EVERY) {
                    key_asked = Some(Instant::now());
                    note_key_expiry(&shared).await;
                }
            }
            Err(error) => note_trouble(&shared, &error),
        }
        // Without it the latencies of all requests are kept until somebody asks for the figures.
        shared.metrics.run_upkeep();
        tokio::select! {
            () = stop.cancelled() => {}
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    runs.close();
    if tokio::time::timeout(GRACE, runs.wait()).await.is_err() {
        tracing::warn!("A run could not be given back in time; its lease will run out");
    }
}

/// Claims what there is to claim and starts working on it.
async fn look(
    shared: &Arc<Shared>,
    runs: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), odoo::Error> {
    let connected = connect(shared).await?;
    while runs.len() < MOST_RUNS && !stop.is_cancelled() {
        let claimed =
            run::claim(&connected.odoo, &shared.worker, LEASE_SECONDS, &shared.running()).await?;
        shared.note_look(claimed.is_some());
        let Some(payload) = claimed else { break };
        tracing::info!(
            run.id = payload.run_id,
            run.kind = payload.kind,
            run.attempt = payload.attempt,
            connector.name = payload.connector.name,
            permits = payload.total,
            "Claimed a run"
        );
        runs.spawn(Run::work(
            Arc::clone(shared),
            Arc::clone(&connected),
            payload,
            stop.child_token(),
        ));
    }
    Ok(())
}

/// The connection to Odoo: the one there is, or a new one.
async fn connect(shared: &Shared) -> Result<Arc<Connected>, odoo::Error> {
    if let Some(connected) = shared.connected() {
        return Ok(connected);
    }
    let settings = (shared.odoo)().map_err(|error| odoo::Error::Settings(error.to_string()))?;
    let odoo = odoo::Client::connect(&settings).await?;
    let schema = Schema::read(&odoo).await?;
    if schema.mode == Mode::Plain {
        return Err(odoo::Error::UnknownModel { model: run::MODEL.to_owned() });
    }
    tracing::info!(
        odoo.version = odoo.version().text,
        odoo.protocol = odoo.protocol().path(),
        "Connected to Odoo; waiting for runs"
    );
    let connected = Arc::new(Connected { odoo: odoo.with_retry_budget(Duration::ZERO), schema });
    let mut health = shared.health();
    health.connected = Some(Arc::clone(&connected));
    health.trouble = None;
    metrics::gauge!("sidecar_odoo_up").set(1.0);
    Ok(connected)
}

/// Odoo cannot be used: said once, not every ten seconds.
fn note_trouble(shared: &Shared, error: &odoo::Error) {
    let sentence = error.to_string();
    metrics::gauge!("sidecar_odoo_up").set(0.0);
    let mut health = shared.health();
    health.connected = None;
    if health.trouble.as_ref() != Some(&sentence) {
        tracing::warn!("{sentence} Waiting for it; runs wait in Odoo meanwhile.");
        health.trouble = Some(sentence);
    }
}

async fn note_key_expiry(shared: &Shared) {
    let Some(connected) = shared.connected() else { return };
    let keys = match odoo::own_keys(&connected.odoo).await {
        Ok(keys) => keys.unwrap_or_default(),
        Err(error) => return tracing::debug!(%error, "when the key expires is not known"),
    };
    if let Some(first) = keys.iter().filter_map(|key| key.expires_at).min() {
        metrics::gauge!("sidecar_odoo_api_key_expiry_timestamp_seconds")
            .set(first.timestamp() as f64);
        let days = (first - Utc::now()).num_days();
        if days < 14 {
            tracing::warn!("An API key of the technical user expires in {days} days");
        }
    }
}

/// One run, from its claim to its end.
struct Run {
    shared: Arc<Shared>,
    connected: Arc<Connected>,
    stop: CancellationToken,
}

impl Run {
    async fn work(
        shared: Arc<Shared>,
        connected: Arc<Connected>,
        payload: Payload,
        stop: CancellationToken,
    ) {
        let run_id = payload.run_id;
        let wake = shared.begin(run_id);
        metrics::gauge!("sidecar_runs_running").increment(1.0);
        let run = Self { shared, connected, stop };
        let patient = run.connected.odoo.with_retry_budget(PATIENCE);
        let held = Held {
            odoo: &patient,
            schema: &run.connected.schema,
            worker: &run.shared.worker,
            payload,
            wake,
        };
        let state = match held.payload.kind.as_str() {
            "expiry" | "permits" | "all" => run.work_on_permits(&held).await,
            "check" => run.check(&held).await,
            kind => {
                let sentence =
                    format!("This sidecar does not know runs of the kind \"{kind}\": update it.");
                run.fail(&held, &sentence).await
            }
        };
        metrics::gauge!("sidecar_runs_running").decrement(1.0);
        metrics::counter!("sidecar_runs_total", "state" => state).increment(1);
        if state == "done" {
            metrics::gauge!("sidecar_last_success_timestamp_seconds")
                .set(Utc::now().timestamp() as f64);
        }
        tracing::info!(run.id = run_id, run.state = state, "A run has ended here");
        run.shared.end(run_id);
        // Another may be waiting for this one's host.
        run.shared.wake.notify_one();
    }

    async fn work_on_permits(&self, held: &Held<'_>) -> &'static str {
        let connector = &held.payload.connector;
        let settings = match self.shared.config.sicantik(&connector.api_url, connector) {
            Ok(settings) => settings,
            Err(error) => return self.fail(held, &error.to_string()).await,
        };
        let gate = self.shared.gates.gate(&settings.api_url, settings.limits);
        let client = match sicantik::Client::new(
            &settings.api_url,
            gate,
            settings.timeout,
            self.stop.clone(),
        ) {
            Ok(client) => client,
            Err(error) => return self.fail(held, &format!("TLS cannot be set up: {error}.")).await,
        };
        // Another service may have given the host free this very moment. A command takes longer to begin than a turn.
        client.gate().skip_interval();
        let mut events = Events { shared: &self.shared, run_id: held.payload.run_id, last: None };
        let mut ended = held.work(&client, &self.stop, &mut events).await;
        let state = self.end(held, &mut ended).await;
        figures::count_permits(held.payload.counts, ended.progress.counts);
        events.send(&ended.progress, state);
        state
    }

    /// Marks the permits whose date has passed, which Odoo does by itself in one call.
    async fn check(&self, held: &Held<'_>) -> &'static str {
        let run_id = held.payload.run_id;
        let checked = run::check(held.odoo, run_id, held.worker).await;
        let halt = checked.err().map(Halt::Odoo);
        let mut ended = Ended { progress: Progress::default(), imported: None, halt };
        self.end(held, &mut ended).await
    }

    /// Writes the end into the ledger, or gives the run back.
    async fn end(&self, held: &Held<'_>, ended: &mut Ended) -> &'static str {
        let state = match &ended.halt {
            None => "done",
            Some(Halt::Cancelled) => "cancelled",
            Some(Halt::Interrupted) => return self.give_back(held).await,
            Some(Halt::Lost) => "lost",
            Some(Halt::Odoo(error)) if error.is_transient() => {
                // Its lease runs out; whoever claims it next continues it.
                tracing::warn!(run.id = held.payload.run_id, %error, "A run is left to its next attempt");
                return "lost";
            }
            Some(Halt::Odoo(_) | Halt::Away(_) | Halt::Sicantik(_)) => "failed",
        };
        if let Err(error) = held.finish(ended).await {
            tracing::warn!(run.id = held.payload.run_id, %error, "A run's end could not be written");
        }
        state
    }

    async fn fail(&self, held: &Held<'_>, sentence: &str) -> &'static str {
        let run_id = held.payload.run_id;
        tracing::warn!(run.id = run_id, "A run failed: {sentence}");
        let progress = run::Progress::default();
        let result =
            run::finish(held.odoo, run_id, held.worker, End::Failed, None, sentence, progress)
                .await;
        if let Err(error) = result {
            tracing::warn!(run.id = run_id, %error, "A run's end could not be written");
        }
        "failed"
    }

    async fn give_back(&self, held: &Held<'_>) -> &'static str {
        let run_id = held.payload.run_id;
        // The service stops: what cannot be given back at once is found by its lease.
        let impatient = held.odoo.with_retry_budget(Duration::from_secs(3));
        if let Err(error) = run::release(&impatient, run_id, held.worker).await {
            tracing::warn!(run.id = run_id, %error, "A run could not be given back");
        }
        "released"
    }
}

/// Tells subscribers how a run goes, four times a second at most.
struct Events<'a> {
    shared: &'a Shared,
    run_id: i64,
    last: Option<Instant>,
}

impl Events<'_> {
    fn send(&self, progress: &Progress, state: &str) {
        let counts: Counts = progress.counts;
        // Nobody listens most of the time.
        let _ = self.shared.events.send(api::ProgressEvent {
            run_id: self.run_id,
            state: state.to_owned(),
            total: progress.total,
            counts,
            rate: progress.rate(),
            eta_seconds: progress.remaining().map(|left| left.as_secs()),
        });
    }
}

impl Reporter for Events<'_> {
    fn report(&mut self, progress: &Progress) {
        if self.last.is_none_or(|last| last.elapsed() >= Duration::from_millis(250)) {
            self.last = Some(Instant::now());
            self.send(progress, "running");
        }
    }
}
