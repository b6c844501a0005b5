//! The ledger `sicantik.sync.run`: every run of the work is a record there, and whoever works on
//! one holds it by a lease.
//!
//! All of these may be sent again when an answer was lost: `start` and `claim` know their worker,
//! `record` its batch number, and the others find done what they ask for.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Client, Connector, Domain, Error, value};

/// The model's technical name.
pub const MODEL: &str = "sicantik.sync.run";

/// Which permits a run is to ask about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// At most so many.
    pub max_permits: Option<u32>,
    /// Those too that were asked lately and are not due again yet.
    pub include_not_due: bool,
    /// Those too whose date was last checked more than so many days ago.
    pub refresh_older_than: Option<u32>,
    /// Just these, whatever else is said.
    pub permit_ids: Option<Vec<i64>>,
}

/// What `start` answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Started {
    /// The run made, or the one that is there already.
    pub run_id: i64,
    /// Whether it was made now.
    pub created: bool,
    /// `queued` or `running`.
    #[serde(deserialize_with = "value::text")]
    pub state: String,
    /// What asked for it: `button`, `cron`, `cli`, `rpc`.
    #[serde(default, deserialize_with = "value::text")]
    pub trigger: String,
    /// Who works on it.
    #[serde(default, deserialize_with = "value::falsy")]
    pub worker: Option<String>,
    /// The name of the user who asked for it.
    #[serde(default, deserialize_with = "value::text")]
    pub requested_by: String,
    /// The work itself, if it is the caller's.
    #[serde(default, deserialize_with = "value::falsy")]
    pub run: Option<Payload>,
}

/// A run that the caller holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Payload {
    /// Its id.
    pub run_id: i64,
    /// `permits`, `expiry`, `all` or `check`.
    #[serde(deserialize_with = "value::text")]
    pub kind: String,
    /// What asked for it.
    #[serde(default, deserialize_with = "value::text")]
    pub trigger: String,
    /// How often it has been claimed.
    #[serde(default)]
    pub attempt: u32,
    /// At most so many permits in all attempts together.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub max_permits: Option<u32>,
    /// Whether those not due are in it.
    #[serde(default, deserialize_with = "value::truth")]
    pub include_not_due: bool,
    /// Days after which a date is checked again.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub refresh_older_than: Option<u32>,
    /// How many permits it has in all.
    #[serde(default)]
    pub total: u64,
    /// The last batch applied: the next is one more.
    #[serde(default)]
    pub last_batch: u64,
    /// Permits recorded so far, in all attempts.
    #[serde(default)]
    pub answered: u64,
    /// The same by outcome.
    #[serde(default)]
    pub counts: Counts,
    /// When its first attempt began.
    #[serde(default, deserialize_with = "value::moment")]
    pub started_at: Option<DateTime<Utc>>,
    /// The permits it has still to ask about.
    pub domains: Vec<Domain>,
    /// Whom to ask, and how fast.
    pub connector: Connector,
}

/// Permits by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Counts {
    /// With a date.
    pub found: u64,
    /// Whose row has none.
    pub no_date: u64,
    /// That SICANTIK does not know.
    pub not_registered: u64,
    /// That could not be settled.
    pub failed: u64,
}

/// What became of one permit, as `record` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The permit's id in Odoo.
    pub permit_id: i64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What asking about one permit brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A date, from the permit's own row.
    Found {
        /// The date.
        expiry_date: NaiveDate,
    },
    /// The row has none.
    NoDate,
    /// SICANTIK does not find it.
    NotRegistered,
    /// It could not be settled.
    Failed {
        /// Why.
        reason: Reason,
        /// What the server said, short.
        detail: String,
    },
}

/// Why a permit could not be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No answer in time.
    Timeout,
    /// No connection, or an error of the server.
    Unavailable,
    /// An answer nobody can read.
    Unreadable,
    /// Rows, none of which is this permit's.
    OtherRegistration,
    /// A number that cannot be asked for.
    InvalidNumber,
    /// Odoo refused to write it; given by Odoo, or by the sidecar in plain mode.
    RejectedByOdoo,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Unreadable => "unreadable",
            Self::OtherRegistration => "other_registration",
            Self::InvalidNumber => "invalid_number",
            Self::RejectedByOdoo => "rejected_by_odoo",
        })
    }
}

/// How the run goes, for those who watch it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Permits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// Requests to SICANTIK so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// How many of them were repetitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u64>,
    /// Permits in all, once known better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// What to do after a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Next {
    /// Go on.
    #[default]
    Continue,
    /// Somebody pressed Stop: finish as cancelled.
    Stop,
    /// Another holds the run now: nothing was applied, and nothing more will be.
    Lost,
}

/// What `record` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Recorded {
    /// What to do next.
    pub answer: Next,
    /// Whether this batch was applied by this very call.
    #[serde(default, deserialize_with = "value::truth")]
    pub applied: bool,
    /// How many of its dates Odoo refused to store; they are recorded as failed.
    #[serde(default)]
    pub rejected: u64,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Every permit was asked.
    Done,
    /// It could not go on.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// What there would be to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Plan {
    /// The permits.
    pub domains: Vec<Domain>,
    /// How many they are.
    pub total: u64,
}

/// A line of the list of runs.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: i64,
    /// The connector's name.
    #[serde(default, rename(deserialize = "connector_id"))]
    #[serde(deserialize_with = "value::display_name")]
    pub connector: Option<String>,
    /// `permits`, `expiry`, `all` or `check`.
    #[serde(default, deserialize_with = "value::text")]
    pub kind: String,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    #[serde(default, deserialize_with = "value::text")]
    pub state: String,
    /// `button`, `cron`, `cli` or `rpc`.
    #[serde(default, deserialize_with = "value::text")]
    pub trigger: String,
    /// Permits in all.
    #[serde(default)]
    pub total: u64,
    /// How often it was claimed.
    #[serde(default)]
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

const SUMMARY: [&str; 11] = [
    "id",
    "connector_id",
    "kind",
    "state",
    "trigger",
    "total",
    "attempt",
    "worker",
    "started_at",
    "finished_at",
    "message",
];

#[derive(Deserialize)]
struct Held {
    answer: HeldAnswer,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum HeldAnswer {
    Ok,
    Lost,
}

#[derive(Deserialize)]
struct State {
    state: String,
}

/// Makes a run, and with a `worker` claims it at once. `trigger` is `cli` or `rpc`, `kind` as in
/// [`Payload::kind`].
pub async fn start(
    client: &Client,
    connector_id: i64,
    kind: &str,
    trigger: &str,
    worker: Option<&str>,
    lease_seconds: u32,
    selection: &Selection,
) -> Result<Started, Error> {
    let mut kwargs = selected(connector_id, selection);
    kwargs["kind"] = json!(kind);
    kwargs["trigger"] = json!(trigger);
    kwargs["worker"] = json!(worker);
    kwargs["lease_seconds"] = json!(lease_seconds);
    // Without a worker a lost answer is asked again too: a second run is never made, since the
    // first is there, queued.
    client.call_idempotent(MODEL, "start", kwargs).await
}

/// Takes the oldest run that waits, or `run_id`; `None` if there is nothing to take.
pub async fn claim(
    client: &Client,
    worker: &str,
    lease_seconds: u32,
    run_id: Option<i64>,
) -> Result<Option<Payload>, Error> {
    #[derive(Deserialize)]
    struct Claimed(#[serde(deserialize_with = "value::falsy")] Option<Payload>);
    let kwargs = json!({ "worker": worker, "lease_seconds": lease_seconds, "run_id": run_id });
    let Claimed(payload) = client.call_idempotent(MODEL, "claim", kwargs).await?;
    Ok(payload)
}

/// Records a batch of answers: permits, counters and lease in one transaction. `batch` counts from
/// [`Payload::last_batch`] on; 0 with no answers renews the lease and shows the progress.
pub async fn record(
    client: &Client,
    run_id: i64,
    worker: &str,
    batch: u64,
    answers: &[Answer],
    progress: Progress,
) -> Result<Recorded, Error> {
    let kwargs = json!({
        "run_id": run_id, "worker": worker, "batch": batch, "outcomes": answers,
        "progress": progress,
    });
    client.call_idempotent(MODEL, "record", kwargs).await
}

/// Ends a run. `false`: another holds it now.
pub async fn finish(
    client: &Client,
    run_id: i64,
    worker: &str,
    end: End,
    message: &str,
    progress: Progress,
) -> Result<bool, Error> {
    let kwargs = json!({
        "run_id": run_id, "worker": worker, "state": end, "message": message, "progress": progress,
    });
    held(client, "finish", kwargs).await
}

/// Gives a run back to the queue, as if it had not been claimed. `false`: another holds it now.
pub async fn release(client: &Client, run_id: i64, worker: &str) -> Result<bool, Error> {
    held(client, "release", json!({ "run_id": run_id, "worker": worker })).await
}

/// What a run would ask now; changes nothing.
pub async fn plan(
    client: &Client,
    connector_id: i64,
    selection: &Selection,
) -> Result<Plan, Error> {
    client.call_idempotent(MODEL, "plan", selected(connector_id, selection)).await
}

/// Asks a run to stop and answers its state then: `cancelled`, or `running` until its worker has
/// heard of it.
pub async fn cancel(client: &Client, run_id: i64) -> Result<String, Error> {
    let State { state } =
        client.call_idempotent(MODEL, "cancel", json!({ "run_id": run_id })).await?;
    Ok(state)
}

async fn held(client: &Client, method: &str, kwargs: Value) -> Result<bool, Error> {
    let Held { answer } = client.call_idempotent(MODEL, method, kwargs).await?;
    Ok(matches!(answer, HeldAnswer::Ok))
}

fn selected(connector_id: i64, selection: &Selection) -> Value {
    let mut kwargs = json!(selection);
    kwargs["connector_id"] = json!(connector_id);
    kwargs
}

/// The latest runs, newest first.
pub async fn list(client: &Client, limit: usize) -> Result<Vec<Summary>, Error> {
    summaries(client, Vec::new(), limit).await
}

/// One run, or `None` if there is none of this id.
pub async fn read(client: &Client, run_id: i64) -> Result<Option<Summary>, Error> {
    Ok(summaries(client, vec![json!(["id", "=", run_id])], 1)
        .await?
        .pop())
}

async fn summaries(client: &Client, domain: Domain, limit: usize) -> Result<Vec<Summary>, Error> {
    let kwargs = json!({
        "domain": domain, "fields": SUMMARY, "limit": limit, "order": "id desc",
    });
    client.call_idempotent(MODEL, "search_read", kwargs).await
}
