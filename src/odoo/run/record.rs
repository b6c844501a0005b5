//! Recording what was answered.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Reply;
use super::reply::call;
use crate::odoo::{Client, Error};

/// The outcome of one permit, as `record` takes it.
///
/// It names what was asked about: a permit is read some time before it is asked about, and an
/// answer about a number that was corrected in between says nothing about the permit. Odoo ignores
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutcomeRow<'a> {
    /// The permit's id in Odoo.
    pub permit_id: i64,
    /// The number that was asked about.
    pub permit_number: &'a str,
    /// The registration whose row was looked for.
    pub registration_id: Option<&'a str>,
    /// The outcome's label.
    pub outcome: &'static str,
    /// The date, where one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_date: Option<NaiveDate>,
    /// The label of the reason, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What the server said, in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

/// The run's progress, for those who watch it in Odoo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ProgressReport {
    /// Permits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// Requests to the server so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Of these, retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u64>,
    /// Whether the listing's dates were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgraded: Option<bool>,
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Recorded {
    /// Dates that Odoo refused to store; these permits are recorded as failed.
    pub rejected: u64,
}

/// Records a batch of outcomes: permits, counters and lease in one transaction. `batch` counts on
/// from [`Claim::last_batch`](super::Claim::last_batch); 0 without outcomes is a mere heartbeat.
///
/// # Errors
/// What Odoo answers. Sent again, the batch is not applied twice.
pub async fn record(
    client: &Client,
    run_id: i64,
    worker: &str,
    batch: u64,
    outcomes: &[OutcomeRow<'_>],
    progress: ProgressReport,
) -> Result<Reply<Recorded>, Error> {
    let arguments = json!({ "batch": batch, "outcomes": outcomes, "progress": progress });
    call(client, "record", run_id, worker, arguments).await
}
