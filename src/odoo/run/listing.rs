//! The ledger's part in reading the listing.

use serde::Deserialize;
use serde_json::json;

use super::{ListedPermit, ListingProgress, MODEL, Plan, RecordedListing};
use crate::odoo::{Client, Error};

/// What a complete reading of the listing says of the permits that Odoo has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unlisted {
    /// Ids of permits that the listing no longer has.
    pub missing: Vec<i64>,
    /// Ids of permits that it has again.
    pub again: Vec<i64>,
}

/// Records rows of the listing: permits made and changed, counters and lease, in one transaction. `batch` counts as in
/// [`super::record`]; 0 with no rows renews the lease and shows the progress.
///
/// # Errors
///
/// What Odoo answers after the client's retry_budget; sent again, the batch is not applied again.
pub async fn record_listing(
    client: &Client,
    run_id: i64,
    worker: &str,
    batch: u64,
    rows: &[ListedPermit],
    progress: ListingProgress,
) -> Result<RecordedListing, Error> {
    let kwargs = json!({
        "run_id": run_id, "worker": worker, "batch": batch, "rows": rows, "progress": progress,
    });
    client.call_idempotent(MODEL, "record_listing", kwargs).await
}

/// Says that the listing has been read, whether to its end, and what is not in it. `false`: another holds the run now.
///
/// # Errors
///
/// What Odoo answers; sent again, it finds done what it says.
pub async fn listing_done(
    client: &Client,
    run_id: i64,
    worker: &str,
    complete: bool,
    unlisted: &Unlisted,
) -> Result<bool, Error> {
    #[derive(Deserialize)]
    struct Done {
        answer: Answered,
    }
    #[derive(Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Answered {
        Continue,
        Ok,
        Stop,
        Lost,
    }
    let kwargs = json!({
        "run_id": run_id, "worker": worker, "complete": complete,
        "listed_ids_missing": unlisted.missing, "listed_again": unlisted.again,
    });
    let Done { answer } = client.call_idempotent(MODEL, "listing_done", kwargs).await?;
    Ok(answer != Answered::Lost)
}

/// The permits that a run of the kind `all` has still to ask for, now that the listing has been read.
///
/// # Errors
///
/// What Odoo answers; it changes nothing.
pub async fn remaining(client: &Client, run_id: i64, worker: &str) -> Result<Plan, Error> {
    let kwargs = json!({ "run_id": run_id, "worker": worker });
    client.call_idempotent(MODEL, "remaining", kwargs).await
}
