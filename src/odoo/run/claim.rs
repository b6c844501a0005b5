//! Taking a run from the queue.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{Kind, Label};
use crate::odoo::{Client, Connector, Domain, Error, model, value};

/// How many permits have each outcome, by the outcome's label.
pub type OutcomeCounts = BTreeMap<String, u64>;

/// A run as it is handed to the worker that claims it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Claim {
    /// Its id.
    pub run_id: i64,
    /// What it is about.
    pub kind: Label<Kind>,
    /// How often it has been claimed.
    #[serde(default, deserialize_with = "value::count")]
    pub attempt: u32,
    /// At most so many permits in all attempts together.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub max_permits: Option<u32>,
    /// Whether permits that are not due are included.
    #[serde(default, deserialize_with = "value::truth")]
    pub include_not_due: bool,
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
    pub counts: OutcomeCounts,
    /// Whether an earlier attempt has read the listing to its end.
    #[serde(default, deserialize_with = "value::truth")]
    pub listing_done: bool,
    /// The permits it has still to ask about.
    pub domains: Vec<Domain>,
    /// Whom to ask, and how fast.
    pub connector: Connector,
}

/// Claims the oldest run that is queued or whose worker sent no heartbeat for too long; `None` if
/// there is none. Runs in `held` are not claimed: while Odoo was away their leases may have run out
/// although the caller still works on them.
///
/// # Errors
/// What Odoo answers.
pub async fn claim(
    client: &Client,
    worker: &str,
    lease_seconds: u32,
    held: &[i64],
) -> Result<Option<Claim>, Error> {
    #[derive(Deserialize)]
    struct Claimed(#[serde(deserialize_with = "value::falsy")] Option<Claim>);
    let kwargs = json!({ "worker": worker, "lease_seconds": lease_seconds, "held": held });
    let Claimed(claim) = client.call_idempotent(model::RUN, "claim", kwargs).await?;
    Ok(claim)
}
