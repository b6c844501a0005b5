//! The JSON-RPC API: one trait. Its shape is a contract with Odoo's addon and with other callers; a
//! snapshot of it is checked in, so that a change shows in review.

use chrono::{DateTime, Utc};
use jsonrpsee::core::{RpcResult, SubscriptionResult};
use jsonrpsee::proc_macros::rpc;
use serde::{Deserialize, Serialize};

use crate::odoo::run::{Kind, Label, RunRecord, State};
use crate::sicantik::Format;
use crate::sync::Counts;

/// Odoo cannot be reached now; the same call may work later.
pub(super) const ODOO_AWAY: i32 = 1001;
/// Odoo refused: no right, no such record, or a rule of its own. The message says which.
pub(super) const ODOO_REFUSED: i32 = 1002;
/// There is no such run.
pub(super) const NO_SUCH_RUN: i32 = 1003;
/// SICANTIK gave no usable answer, or its address cannot be used.
pub(super) const SICANTIK_UNUSABLE: i32 = 1004;

/// Result of `sidecar.version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// `sicantik-sidecar`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Result of `sidecar.health`, and of `GET /health`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthInfo {
    /// Whether it can work.
    pub status: HealthStatus,
    /// The version of the sidecar.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Whether Odoo answered last time.
    pub odoo_reachable: bool,
    /// When Odoo last answered whether there is a run.
    pub last_look_at: Option<DateTime<Utc>>,
    /// When a run was last claimed.
    pub last_claim_at: Option<DateTime<Utc>>,
    /// The runs at work.
    pub running: Vec<i64>,
    /// Why Odoo cannot be used, in a sentence; only for callers who present the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Whether the service can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// It is connected to Odoo.
    Ok,
    /// Odoo cannot be used now.
    Waiting,
}

/// Result of `sync.wake`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// Always true: the sidecar looks for work now.
    pub looking: bool,
}

/// Result of `sync.start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartInfo {
    /// The new run, or the one that exists already; none for a dry run.
    pub run_id: Option<i64>,
    /// Whether it is new.
    pub created: bool,
    /// How many permits it would ask for; of a dry run only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Result of `sync.cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelInfo {
    /// The run.
    pub run_id: i64,
    /// `cancelled`, or `running` until its worker learns of it.
    pub state: Label<State>,
}

/// Result of `sync.estimate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimateInfo {
    /// Permits that would be asked for.
    pub total: u64,
    /// How long that takes at the rate last measured on this connector.
    pub seconds: f64,
}

/// Result of `sicantik.test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestInfo {
    /// The server's name.
    pub host: String,
    /// From the request to its response.
    pub elapsed_ms: u64,
    /// The format of its response.
    pub format: Format,
    /// Whether the listing carries expiry dates.
    pub upgraded: bool,
}

/// An event of `sync.progress`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressEvent {
    /// The run.
    pub run_id: i64,
    /// Where the run stands.
    pub state: EventState,
    /// Permits in all.
    pub total: u64,
    /// Permits answered, by outcome.
    pub counts: Counts,
    /// Permits per second.
    pub rate: f64,
    /// Seconds to the end, once there is a rate.
    pub eta_seconds: Option<u64>,
}

/// Where the run of an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventState {
    /// It is being worked on.
    Running,
    /// It has ended here.
    #[serde(untagged)]
    Ended(EndedAs),
}

/// How a run ended here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum EndedAs {
    /// All of it was done.
    Done,
    /// It could not go on.
    Failed,
    /// It was stopped.
    Cancelled,
    /// It was given back to the queue.
    Released,
    /// It is another's now, or left to whoever claims it next.
    Lost,
}

/// The methods. Parameters go by name.
#[rpc(server)]
pub trait Sidecar {
    /// The name and version of the program.
    #[method(name = "sidecar.version")]
    fn version(&self) -> RpcResult<VersionInfo>;

    /// Whether it works, can reach Odoo, and when it last claimed a run.
    #[method(name = "sidecar.health")]
    fn health(&self) -> RpcResult<HealthInfo>;

    /// Look for work, and for runs to stop, now.
    #[method(name = "sync.wake")]
    fn wake(&self) -> RpcResult<Woken>;

    /// Queues a run in Odoo's ledger, or finds the one that exists. A dry run only counts.
    #[method(name = "sync.start", param_kind = map)]
    async fn start(
        &self,
        connector_id: i64,
        kind: Kind,
        max_permits: Option<u32>,
        dry_run: Option<bool>,
    ) -> RpcResult<StartInfo>;

    /// One run, as the ledger has it.
    #[method(name = "sync.status", param_kind = map)]
    async fn status(&self, run_id: i64) -> RpcResult<RunRecord>;

    /// Stops a run; what it has done is kept.
    #[method(name = "sync.cancel", param_kind = map)]
    async fn cancel(&self, run_id: i64) -> RpcResult<CancelInfo>;

    /// The newest runs: 20 by default, 200 at most.
    #[method(name = "sync.list", param_kind = map)]
    async fn list(&self, limit: Option<u32>) -> RpcResult<Vec<RunRecord>>;

    /// How many permits a run would ask for, and how long that takes.
    #[method(name = "sync.estimate", param_kind = map)]
    async fn estimate(
        &self,
        connector_id: i64,
        max_permits: Option<u32>,
        include_not_due: Option<bool>,
    ) -> RpcResult<EstimateInfo>;

    /// Tests the connection to the SICANTIK of a connector.
    #[method(name = "sicantik.test", param_kind = map)]
    async fn test(&self, connector_id: i64) -> RpcResult<TestInfo>;

    /// The progress of all runs at work here, while the connection is open (WebSocket only).
    #[subscription(name = "sync.progress", unsubscribe = "sync.progress_end", item = ProgressEvent)]
    async fn progress(&self) -> SubscriptionResult;
}
