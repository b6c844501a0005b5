//! Looks for runs in Odoo's ledger and works on them.
//!
//! - `run`: one run, from its claim to its end; `events`: what subscribers hear of it.

mod events;
mod run;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::state::{Connected, Shared};
use crate::odoo::run::claim;
use crate::odoo::{self, Mode, Schema, model};
use crate::sync::heartbeat;
use run::Run;

/// How often the ledger is asked for a run when nobody says that there is one.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long runs have to be given back once the service is to stop.
const GRACE: Duration = Duration::from_secs(10);

const _: () = assert!(
    heartbeat::GRACE.saturating_add(run::RELEASE_BUDGET).as_millis() < GRACE.as_millis(),
    "a run has to be able to store its last answers and be given back"
);

/// Runs that are worked on at once, each of another host.
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
            Err(error) => note_problem(&shared, &error),
        }
        // Otherwise the latencies of all requests are kept until somebody asks for the metrics.
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
            claim(&connected.odoo, &shared.worker, heartbeat::LEASE_SECONDS, &shared.running())
                .await?;
        shared.note_look(claimed.is_some());
        let Some(claim) = claimed else { break };
        tracing::info!(
            run.id = claim.run_id,
            run.kind = %claim.kind,
            run.attempt = claim.attempt,
            connector.name = claim.connector.name,
            permits = claim.total,
            "Claimed a run"
        );
        runs.spawn(Run::work(
            Arc::clone(shared),
            Arc::clone(&connected),
            claim,
            stop.child_token(),
        ));
    }
    Ok(())
}

/// The connection to Odoo: the present one, or a new one.
async fn connect(shared: &Shared) -> Result<Arc<Connected>, odoo::Error> {
    if let Some(connected) = shared.connected() {
        return Ok(connected);
    }
    let settings = (shared.odoo)().map_err(|error| odoo::Error::Settings(error.to_string()))?;
    let odoo = odoo::Client::connect(&settings).await?;
    for odoo::Remark { finding, advice } in odoo.remarks() {
        tracing::warn!("{finding}. {advice}");
    }
    let schema = Schema::read(&odoo).await?;
    if schema.mode == Mode::Plain {
        return Err(odoo::Error::UnknownModel { model: model::RUN.to_owned() });
    }
    tracing::info!(
        odoo.version = odoo.version().text,
        odoo.protocol = odoo.protocol().path(),
        "Connected to Odoo; waiting for runs"
    );
    let connected = Arc::new(Connected { odoo: odoo.with_retry_budget(Duration::ZERO), schema });
    let mut health = shared.health();
    health.connected = Some(Arc::clone(&connected));
    health.problem = None;
    metrics::gauge!("sidecar_odoo_up").set(1.0);
    Ok(connected)
}

/// Odoo cannot be used: logged once, not every ten seconds.
fn note_problem(shared: &Shared, error: &odoo::Error) {
    let sentence = error.to_string();
    metrics::gauge!("sidecar_odoo_up").set(0.0);
    let mut health = shared.health();
    health.connected = None;
    if health.problem.as_ref() != Some(&sentence) {
        tracing::warn!("{sentence} Waiting for it; runs wait in Odoo meanwhile.");
        health.problem = Some(sentence);
    }
}

async fn note_key_expiry(shared: &Shared) {
    let Some(connected) = shared.connected() else { return };
    let keys = match odoo::own_keys(&connected.odoo).await {
        Ok(keys) => keys.unwrap_or_default(),
        Err(error) => return tracing::debug!(%error, "It is unknown when the key expires"),
    };
    if let Some(first) = keys.iter().filter_map(|key| key.expires_at).min() {
        metrics::gauge!("sidecar_odoo_api_key_expiry_timestamp_seconds")
            .set(first.timestamp() as f64);
        let days = (first - Utc::now()).num_days();
        if days <= odoo::ApiKey::EXPIRES_SOON_DAYS {
            tracing::warn!("An API key of the technical user expires in {days} days");
        }
    }
}
