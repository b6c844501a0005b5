//! Ending a run, or giving it away.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::reply::call;
use super::{Done, Label, OutcomeCounts, ProgressReport, Reply, State};
use crate::odoo::{Client, Error, model};

/// How a run ends, as `finish` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ending<'a> {
    /// Done, failed or cancelled.
    pub state: State,
    /// Why, where Odoo has a sentence for it in its reader's language.
    pub code: Option<EndCode>,
    /// With a code, what there is to add to its sentence; without one, the whole message.
    pub message: &'a str,
    /// The last progress.
    pub progress: ProgressReport,
}

/// Why a run ended early, or short of some permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCode {
    /// Odoo could not be read or written.
    Odoo,
    /// SICANTIK did not answer at all.
    Away,
    /// SICANTIK stopped answering.
    SicantikStopped,
    /// Somebody stopped the run in Odoo.
    Cancelled,
    /// The worker was told to stop.
    Interrupted,
    /// The run did all it could, but Odoo hides permits from the sidecar's user.
    Hidden,
}

/// Ends a run. Answers the ledger's own counts: Odoo may have refused an outcome, of whichever
/// kind, that was counted when it was sent.
///
/// # Errors
/// What Odoo answers. Sent again, it finds the run ended.
pub async fn finish(
    client: &Client,
    run_id: i64,
    worker: &str,
    ending: Ending<'_>,
) -> Result<Reply<OutcomeCounts>, Error> {
    #[derive(Deserialize)]
    struct FinalCounts {
        counts: OutcomeCounts,
    }
    let reply = call::<FinalCounts>(client, "finish", run_id, worker, json!(ending)).await?;
    Ok(match reply {
        Reply::Go(finished) => Reply::Go(finished.counts),
        Reply::Stop(finished) => Reply::Stop(finished.counts),
        Reply::Lost => Reply::Lost,
    })
}

/// What came of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Checked {
    /// Permits marked as expired.
    pub expired: u64,
    /// Permits that Odoo refused to mark; each has a line with the reason in the run.
    pub refused: u64,
}

/// For runs of the kind [`Check`](super::Kind::Check): marks the connector's permits whose date has
/// passed as expired.
///
/// # Errors
/// What Odoo answers. Sent again, it marks nothing twice.
pub async fn check(client: &Client, run_id: i64, worker: &str) -> Result<Reply<Checked>, Error> {
    call(client, "check", run_id, worker, json!({})).await
}

/// Gives a run back to the queue, as if it had not been claimed.
///
/// # Errors
/// What Odoo answers. Sent again, it answers [`Reply::Lost`], since the run is not held any more.
pub async fn release(client: &Client, run_id: i64, worker: &str) -> Result<Reply<Done>, Error> {
    call(client, "release", run_id, worker, json!({})).await
}

/// Removes a run in which nothing has been recorded, as if it had never been started.
///
/// # Errors
/// What Odoo answers. A run that is gone already counts as removed.
pub async fn abandon(client: &Client, run_id: i64, worker: &str) -> Result<Reply<Done>, Error> {
    call(client, "abandon", run_id, worker, json!({})).await
}

/// Asks a run to stop. Answers its state then: cancelled, or still running until its worker has
/// heard of it.
///
/// # Errors
/// What Odoo answers.
pub async fn cancel(client: &Client, run_id: i64) -> Result<Label<State>, Error> {
    #[derive(Deserialize)]
    struct Answered {
        state: Label<State>,
    }
    let kwargs = json!({ "run_id": run_id });
    let Answered { state } = client.call_idempotent(model::RUN, "cancel", kwargs).await?;
    Ok(state)
}
