//! What the JSON-RPC methods do: Odoo's ledger answers most of them.

use std::sync::Arc;

use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionMessage};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::api::{
    CancelInfo, EstimateInfo, HealthInfo, HealthStatus, NO_SUCH_RUN, ODOO_AWAY, ODOO_REFUSED,
    SICANTIK_UNUSABLE, SidecarServer, StartInfo, TestInfo, VersionInfo, Woken,
};
use super::state::{Connected, Shared};
use crate::odoo::run::{self, Kind, RunRecord, Selection, Trigger};
use crate::odoo::{self, connector};
use crate::sicantik;

const LISTED: u32 = 20;
const MOST_LISTED: u32 = 200;

/// The API of one service.
pub(super) struct Rpc(pub(super) Arc<Shared>);

impl Rpc {
    fn odoo(&self) -> RpcResult<Arc<Connected>> {
        self.0.connected().ok_or_else(|| {
            let problem = self.0.health().problem.clone();
            let sentence = problem.unwrap_or_else(|| "Odoo has not answered yet.".to_owned());
            refusal(ODOO_AWAY, &sentence)
        })
    }
}

/// An error with a sentence for the caller, and an id that finds the line in the log.
fn refusal(code: i32, sentence: &str) -> ErrorObjectOwned {
    let request_id = format!("{:016x}", rand::random::<u64>());
    tracing::warn!(request.id = request_id, rpc.code = code, "a call was refused: {sentence}");
    ErrorObjectOwned::owned(code, sentence, Some(json!({ "request_id": request_id })))
}

fn of_odoo(error: odoo::Error) -> ErrorObjectOwned {
    let code = if error.is_transient() { ODOO_AWAY } else { ODOO_REFUSED };
    refusal(code, &error.to_string())
}

/// The result of `GET /health` and `sidecar.health`; what is wrong with Odoo only if authorised.
pub(super) fn health(shared: &Shared, with_problem: bool) -> HealthInfo {
    let running = shared.running();
    let health = shared.health();
    HealthInfo {
        status: match health.connected {
            Some(_) => HealthStatus::Ok,
            None => HealthStatus::Waiting,
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: shared.started_at,
        odoo_reachable: health.connected.is_some(),
        last_look_at: health.last_look,
        last_claim_at: health.last_claim,
        running,
        problem: health.problem.clone().filter(|_| with_problem),
    }
}

#[async_trait]
impl SidecarServer for Rpc {
    fn version(&self) -> RpcResult<VersionInfo> {
        Ok(VersionInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    fn health(&self) -> RpcResult<HealthInfo> {
        Ok(health(&self.0, true))
    }

    fn wake(&self) -> RpcResult<Woken> {
        self.0.look_now();
        Ok(Woken { looking: true })
    }

    async fn start(
        &self,
        connector_id: i64,
        kind: Kind,
        max_permits: Option<u32>,
        dry_run: Option<bool>,
    ) -> RpcResult<StartInfo> {
        let connected = self.odoo()?;
        let selection = Selection { max_permits, ..Selection::default() };
        if dry_run == Some(true) {
            let plan =
                run::plan(&connected.odoo, connector_id, &selection).await.map_err(of_odoo)?;
            return Ok(StartInfo { run_id: None, created: false, total: Some(plan.total) });
        }
        let started =
            run::start(&connected.odoo, connector_id, kind, Trigger::Rpc, None, &selection)
                .await
                .map_err(of_odoo)?;
        self.0.look_now();
        Ok(StartInfo { run_id: Some(started.run_id), created: started.created, total: None })
    }

    async fn status(&self, run_id: i64) -> RpcResult<RunRecord> {
        let connected = self.odoo()?;
        run::read(&connected.odoo, run_id)
            .await
            .map_err(of_odoo)?
            .ok_or_else(|| refusal(NO_SUCH_RUN, &format!("There is no run {run_id} in Odoo.")))
    }

    async fn cancel(&self, run_id: i64) -> RpcResult<CancelInfo> {
        self.status(run_id).await?;
        let connected = self.odoo()?;
        let state = run::cancel(&connected.odoo, run_id).await.map_err(of_odoo)?;
        self.0.look_now();
        Ok(CancelInfo { run_id, state })
    }

    async fn list(&self, limit: Option<u32>) -> RpcResult<Vec<RunRecord>> {
        let connected = self.odoo()?;
        let limit = limit.unwrap_or(LISTED).clamp(1, MOST_LISTED);
        run::list(&connected.odoo, limit as usize).await.map_err(of_odoo)
    }

    async fn estimate(
        &self,
        connector_id: i64,
        max_permits: Option<u32>,
        include_not_due: Option<bool>,
    ) -> RpcResult<EstimateInfo> {
        let connected = self.odoo()?;
        let include_not_due = include_not_due.unwrap_or(false);
        let selection = Selection { max_permits, include_not_due, ..Selection::default() };
        let plan = run::plan(&connected.odoo, connector_id, &selection).await.map_err(of_odoo)?;
        Ok(EstimateInfo { total: plan.total, seconds: plan.estimated_seconds })
    }

    async fn test(&self, connector_id: i64) -> RpcResult<TestInfo> {
        let connected = self.odoo()?;
        let wanted = connector_id.to_string();
        let connector = connector::find(&connected.odoo, &connected.schema, Some(&wanted), true)
            .await
            .map_err(|error| match error {
                connector::FindError::Odoo(error) => of_odoo(error),
                error => refusal(ODOO_REFUSED, &error.to_string()),
            })?;
        let unusable = |sentence: String| refusal(SICANTIK_UNUSABLE, &sentence);
        let settings = self
            .0
            .config
            .sicantik(&connector.api_url, &connector)
            .map_err(|error| unusable(error.to_string()))?;
        let host = settings.api_url.host_str().unwrap_or_default().to_owned();
        let of_sicantik =
            |error: sicantik::Error| unusable(format!("SICANTIK at {host}: {error}."));
        let gate = self.0.gates.gate(&settings.api_url, settings.limits);
        let stop = CancellationToken::new();
        let client = sicantik::Client::trusting(
            &settings.api_url,
            gate,
            settings.timeout,
            stop,
            &settings.authorities,
        )
        .map_err(of_sicantik)?;
        // Somebody waits, for five seconds at most: both at once, ahead of a run's requests.
        let client = client.with_priority().with_time_zone(settings.time_zone);
        let (pong, rows) =
            tokio::try_join!(client.ping(), client.listing(1, 0)).map_err(of_sicantik)?;
        Ok(TestInfo {
            elapsed_ms: u64::try_from(pong.elapsed.as_millis()).unwrap_or(u64::MAX),
            format: pong.format,
            upgraded: rows.iter().any(|row| row.expiry.is_some()),
            host,
        })
    }

    async fn progress(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let mut events = self.0.events.subscribe();
        let sink = pending.accept().await?;
        loop {
            let event = tokio::select! {
                () = sink.closed() => return Ok(()),
                event = events.recv() => event,
            };
            match event {
                Ok(event) => {
                    let message = SubscriptionMessage::new(
                        sink.method_name(),
                        sink.subscription_id(),
                        &event,
                    )?;
                    sink.send(message).await?;
                }
                // A slow reader misses some events; the next one says how far the run is.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}
