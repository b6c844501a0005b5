//! The runs there have been, for `runs list` and `runs show`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Kind, Label, State, Trigger};
use crate::odoo::{Client, Domain, Error, model, value};

/// A run as the ledger has it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct RunRecord {
    /// Its id.
    pub id: i64,
    /// The connector's name.
    #[serde(default, rename(deserialize = "connector_id"))]
    #[serde(deserialize_with = "value::display_name")]
    pub connector: Option<String>,
    /// What it is about.
    #[serde(default)]
    pub kind: Label<Kind>,
    /// Where it stands.
    #[serde(default)]
    pub state: Label<State>,
    /// What started it.
    #[serde(default)]
    pub trigger: Label<Trigger>,
    /// Who asked for it.
    #[serde(default, rename(deserialize = "user_id"))]
    #[serde(deserialize_with = "value::display_name")]
    pub requested_by: Option<String>,
    /// Permits in all.
    #[serde(default)]
    pub total: u64,
    /// With a date.
    #[serde(default, rename(deserialize = "found_count"))]
    pub found: u64,
    /// Whose row has none.
    #[serde(default, rename(deserialize = "no_date_count"))]
    pub no_date: u64,
    /// That the server does not know.
    #[serde(default, rename(deserialize = "not_registered_count"))]
    pub not_registered: u64,
    /// That could not be settled.
    #[serde(default, rename(deserialize = "failed_count"))]
    pub failed: u64,
    /// Registrations seen in the listing, by the kinds that read it.
    #[serde(default, rename(deserialize = "listed_count"))]
    pub listed: u64,
    /// Permits per second.
    #[serde(default)]
    pub rate: f64,
    /// Seconds to the end, as last reported; 0 if unknown.
    #[serde(default)]
    pub eta_seconds: u64,
    /// Seconds it took; 0 until it has ended.
    #[serde(default)]
    pub duration: f64,
    /// Whether somebody asked it to stop.
    #[serde(default, deserialize_with = "value::truth")]
    pub cancel_requested: bool,
    /// How often it was claimed.
    #[serde(default, deserialize_with = "value::count")]
    pub attempt: u32,
    /// Who works on it, or did last.
    #[serde(default, deserialize_with = "value::falsy")]
    pub worker: Option<String>,
    /// When it began.
    #[serde(default, deserialize_with = "value::moment")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(default, deserialize_with = "value::moment")]
    pub finished_at: Option<DateTime<Utc>>,
    /// What there is to say about it.
    #[serde(default, deserialize_with = "value::text")]
    pub message: String,
}

const FIELDS: &[&str] = &[
    "id",
    "connector_id",
    "kind",
    "state",
    "trigger",
    "user_id",
    "total",
    "found_count",
    "no_date_count",
    "not_registered_count",
    "failed_count",
    "listed_count",
    "rate",
    "eta_seconds",
    "duration",
    "cancel_requested",
    "attempt",
    "worker",
    "started_at",
    "finished_at",
    "message",
];

/// A permit that a run could not settle.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct FailedPermit {
    /// The line's id, by which the next are asked for.
    pub id: i64,
    /// The permit's number as it was then.
    #[serde(default, rename(deserialize = "permit_name"))]
    #[serde(deserialize_with = "value::text")]
    pub permit_number: String,
    /// Why: the label of the reason.
    #[serde(default, deserialize_with = "value::text")]
    pub reason: String,
    /// What the server said.
    #[serde(default, deserialize_with = "value::text")]
    pub detail: String,
}

/// The latest runs, newest first.
pub async fn list(client: &Client, limit: usize) -> Result<Vec<RunRecord>, Error> {
    search(client, Vec::new(), limit).await
}

/// One run, or `None` if there is none of this id.
pub async fn read(client: &Client, run_id: i64) -> Result<Option<RunRecord>, Error> {
    Ok(search(client, vec![json!(["id", "=", run_id])], 1).await?.pop())
}

/// The run that is asking the server `host` now. The name is written as the addon does: see
/// [`crate::outbound::server`].
///
/// # Errors
///
/// What Odoo answers.
pub async fn working_on(client: &Client, host: &str) -> Result<Option<RunRecord>, Error> {
    let now = value::datetime(Utc::now());
    let domain = vec![
        json!(["state", "=", "running"]),
        json!(["host", "=", host]),
        json!(["lease_until", ">=", now]),
    ];
    Ok(search(client, domain, 1).await?.pop())
}

async fn search(client: &Client, domain: Domain, limit: usize) -> Result<Vec<RunRecord>, Error> {
    let kwargs = json!({
        "domain": domain, "fields": FIELDS, "limit": limit, "order": "id desc",
    });
    client.call_idempotent(model::RUN, "search_read", kwargs).await
}

/// Failures of a run in the order in which they happened, at most `limit`, after the line `after`
/// (0: from the first).
pub async fn failures(
    client: &Client,
    run_id: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<FailedPermit>, Error> {
    let kwargs = json!({
        "domain": [["run_id", "=", run_id], ["id", ">", after]],
        "fields": ["id", "permit_name", "reason", "detail"], "limit": limit, "order": "id",
    });
    client.call_idempotent(model::RUN_LINE, "search_read", kwargs).await
}
