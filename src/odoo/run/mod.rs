//! The ledger `sicantik.sync.run`: every run of the work is a record there, and whoever works on
//! one holds it by a lease.
//!
//! All of these may be sent again when an answer was lost: `start` knows its worker and `record`
//! its batch number; `finish`, `cancel` and `release` find done what they ask for. A claim whose
//! answer was lost leaves a run that nobody works on until its lease is over; then it is claimed
//! again.

mod history;
mod listing;
mod wire;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, Error, value};

pub use history::{Failure, Summary, failures, list, read, working_on};
pub use listing::{Unlisted, listing_done, record_listing, remaining};
pub use wire::{
    Answer, Code, Counts, End, ListedPermit, ListingProgress, Next, Outcome, Payload, Plan,
    Progress, Reason, Recorded, RecordedListing, Selection, Started,
};

/// The model's technical name.
pub const MODEL: &str = "sicantik.sync.run";

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

/// Takes the oldest run that waits or whose worker fell silent; `None` if there is nothing to take. Those in `held` are
/// not taken: while Odoo was away their leases may have run out, although the caller works on them.
///
/// # Errors
///
/// What Odoo answers.
pub async fn claim(
    client: &Client,
    worker: &str,
    lease_seconds: u32,
    held: &[i64],
) -> Result<Option<Payload>, Error> {
    #[derive(Deserialize)]
    struct Claimed(#[serde(deserialize_with = "value::falsy")] Option<Payload>);
    let kwargs = json!({ "worker": worker, "lease_seconds": lease_seconds, "held": held });
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

/// Ends a run, and answers what it has recorded in all; `None`: another holds it now. With a `code` Odoo says the
/// sentence in its reader's language, and `message` is what there is to add; without one, `message` is the sentence.
///
/// The ledger's own counts: Odoo may have refused an answer, of any kind, that was counted when it was sent.
pub async fn finish(
    client: &Client,
    run_id: i64,
    worker: &str,
    end: End,
    code: Option<Code>,
    message: &str,
    progress: Progress,
) -> Result<Option<Counts>, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "answer", rename_all = "lowercase")]
    enum Finished {
        Ok { counts: Counts },
        Lost,
    }
    let kwargs = json!({
        "run_id": run_id, "worker": worker, "state": end, "code": code, "message": message,
        "progress": progress,
    });
    Ok(match client.call_idempotent(MODEL, "finish", kwargs).await? {
        Finished::Ok { counts } => Some(counts),
        Finished::Lost => None,
    })
}

/// Takes back a run in which nothing has been recorded, as if it had not been made. `false`: another holds it now.
///
/// # Errors
///
/// What Odoo answers; a run that is gone already is what was asked for.
pub async fn abandon(client: &Client, run_id: i64, worker: &str) -> Result<bool, Error> {
    held(client, "abandon", json!({ "run_id": run_id, "worker": worker })).await
}

/// Runs of the kind `check`: marks the connector's permits whose date has passed as expired, and answers how many
/// there were.
///
/// # Errors
///
/// What Odoo answers; sending it again marks nothing twice.
pub async fn check(client: &Client, run_id: i64, worker: &str) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Checked {
        expired: u64,
    }
    let kwargs = json!({ "run_id": run_id, "worker": worker });
    let Checked { expired } = client.call_idempotent(MODEL, "check", kwargs).await?;
    Ok(expired)
}

/// Gives a run back to the queue, as if it had not been claimed. `false`: it is not held any more,
/// which is so too when an earlier answer was lost.
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
