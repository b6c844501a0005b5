//! One run, from its claim to its end.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::events::Events;
use crate::odoo::run::{self, Claim, Ending, Kind, ProgressReport, State};
use crate::service::api::{EndedAs, EventState};
use crate::service::metrics as figures;
use crate::service::state::{Connected, Shared};
use crate::sicantik;
use crate::sync::{ClaimedRun, Counts, Ended, Halt};

/// How long a run waits for an Odoo that is away before it is left to whoever claims it next.
const RETRY_BUDGET: Duration = Duration::from_secs(600);

/// The same where the service is to stop: a run that cannot be given back now is found by its
/// lease.
pub(super) const RELEASE_BUDGET: Duration = Duration::from_secs(3);

/// A run that is worked on.
pub(super) struct Run {
    shared: Arc<Shared>,
    connected: Arc<Connected>,
    stop: CancellationToken,
}

impl Run {
    /// Works on what was claimed until it is done or `stop` is cancelled.
    pub(super) async fn work(
        shared: Arc<Shared>,
        connected: Arc<Connected>,
        claim: Claim,
        stop: CancellationToken,
    ) {
        let run_id = claim.run_id;
        let wake = shared.begin(run_id);
        metrics::gauge!("sidecar_runs_running").increment(1.0);
        let run = Self { shared, connected, stop };
        let odoo = run.connected.odoo.with_retry_budget(RETRY_BUDGET);
        let ended_as = match claim.kind.known() {
            Ok(kind) => {
                let claimed = ClaimedRun {
                    odoo: &odoo,
                    schema: &run.connected.schema,
                    worker: &run.shared.worker,
                    kind,
                    claim,
                    wake,
                };
                run.work_on(&claimed).await
            }
            Err(unknown) => run.fail(&odoo, run_id, &unknown.to_string()).await,
        };
        metrics::gauge!("sidecar_runs_running").decrement(1.0);
        let state: &str = ended_as.into();
        metrics::counter!("sidecar_runs_total", "state" => state).increment(1);
        if ended_as == EndedAs::Done {
            metrics::gauge!("sidecar_last_success_timestamp_seconds")
                .set(Utc::now().timestamp() as f64);
        }
        tracing::info!(run.id = run_id, run.state = state, "A run has ended here");
        run.shared.end(run_id);
        // Another may be waiting for this one's host.
        run.shared.wake.notify_one();
    }

    async fn work_on(&self, claimed: &ClaimedRun<'_>) -> EndedAs {
        let mut events = Events::new(&self.shared, claimed.claim.run_id);
        let mut ended = if claimed.kind == Kind::Check {
            claimed.check().await
        } else {
            let server = match self.server(&claimed.claim) {
                Ok(server) => server,
                Err(sentence) => {
                    return self.fail(claimed.odoo, claimed.claim.run_id, &sentence).await;
                }
            };
            claimed.work(&server, &self.stop, &mut events).await
        };
        let ended_as = self.end(claimed, &mut ended).await;
        if claimed.kind != Kind::Check {
            let before = Counts::from_labels(&claimed.claim.counts);
            figures::count_permits(before, ended.progress.counts);
        }
        events.send(&ended.progress, EventState::Ended(ended_as));
        ended_as
    }

    /// The client of the connector's server, behind the gate that all runs share.
    fn server(&self, claim: &Claim) -> Result<sicantik::Client, String> {
        let connector = &claim.connector;
        let settings = self
            .shared
            .config
            .sicantik(&connector.api_url, connector)
            .map_err(|error| error.to_string())?;
        let gate = self.shared.gates.gate(&settings.api_url, settings.limits);
        let stop = self.stop.clone();
        let client = sicantik::Client::trusting(
            &settings.api_url,
            gate,
            settings.timeout,
            stop,
            &settings.authorities,
        )
        .map_err(|error| format!("TLS cannot be set up: {error}."))?
        .with_time_zone(settings.time_zone);
        // Another service may have released the host this very moment. A command takes longer than
        // the interval to start.
        client.gate().skip_interval();
        Ok(client)
    }

    /// Writes the end into the ledger, or gives the run back.
    async fn end(&self, claimed: &ClaimedRun<'_>, ended: &mut Ended) -> EndedAs {
        let run_id = claimed.claim.run_id;
        match &ended.halt {
            Some(Halt::Interrupted) => return self.release(claimed).await,
            Some(Halt::Odoo(error)) if error.is_transient() => {
                // Its lease runs out; whoever claims it next continues it.
                tracing::warn!(run.id = run_id, %error, "A run is left to its next attempt");
                return EndedAs::Lost;
            }
            _ => {}
        }
        if let Err(error) = claimed.finish(ended).await {
            tracing::warn!(run.id = run_id, %error, "A run's end could not be written");
        }
        match &ended.halt {
            None => EndedAs::Done,
            Some(Halt::Lost | Halt::Yielded) => EndedAs::Lost,
            Some(Halt::Cancelled | Halt::Interrupted) => EndedAs::Cancelled,
            Some(Halt::Odoo(_) | Halt::Away(_) | Halt::Sicantik(_)) => EndedAs::Failed,
        }
    }

    async fn fail(&self, odoo: &crate::odoo::Client, run_id: i64, sentence: &str) -> EndedAs {
        tracing::warn!(run.id = run_id, "A run failed: {sentence}");
        let ending = Ending {
            state: State::Failed,
            code: None,
            message: sentence,
            progress: ProgressReport::default(),
        };
        if let Err(error) = run::finish(odoo, run_id, &self.shared.worker, ending).await {
            tracing::warn!(run.id = run_id, %error, "A run's end could not be written");
        }
        EndedAs::Failed
    }

    async fn release(&self, claimed: &ClaimedRun<'_>) -> EndedAs {
        let run_id = claimed.claim.run_id;
        let odoo = claimed.odoo.with_retry_budget(RELEASE_BUDGET);
        if let Err(error) = run::release(&odoo, run_id, claimed.worker).await {
            tracing::warn!(run.id = run_id, %error, "A run could not be given back");
        }
        EndedAs::Released
    }
}
