//! A new run, and what it would ask.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Claim, Kind, Trigger};
use crate::odoo::{Client, Domain, Error, model, value};

/// Which permits a run is to ask about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// At most so many.
    pub max_permits: Option<u32>,
    /// Include permits that were asked lately and are not due again yet.
    pub include_not_due: bool,
    /// Include permits whose date was last checked more than so many days ago.
    pub refresh_older_than: Option<u32>,
    /// Just these, whatever else is said.
    pub permit_ids: Option<Vec<i64>>,
}

/// Who holds a run, and how long Odoo waits for a heartbeat before another may claim it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease<'a> {
    /// The worker's name.
    pub worker: &'a str,
    /// How long, in seconds.
    pub seconds: u32,
}

/// What `start` answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Started {
    /// The run created, or the one that is there already.
    pub run_id: i64,
    /// Whether it was created now.
    pub created: bool,
    /// Who works on it.
    #[serde(default, deserialize_with = "value::falsy")]
    pub worker: Option<String>,
    /// The name of the user who asked for it.
    #[serde(default, deserialize_with = "value::text")]
    pub requested_by: String,
    /// The work itself, if it is the caller's.
    #[serde(default, deserialize_with = "value::falsy")]
    pub run: Option<Claim>,
}

/// Creates a run, and with a `lease` claims it at once.
///
/// # Errors
/// What Odoo answers. Sent again, it finds the run that it created.
pub async fn start(
    client: &Client,
    connector_id: i64,
    kind: Kind,
    trigger: Trigger,
    lease: Option<Lease<'_>>,
    selection: &Selection,
) -> Result<Started, Error> {
    let mut kwargs = selected(connector_id, selection);
    kwargs["kind"] = json!(kind);
    kwargs["trigger"] = json!(trigger);
    if let Some(Lease { worker, seconds }) = lease {
        kwargs["worker"] = json!(worker);
        kwargs["lease_seconds"] = json!(seconds);
    }
    client.call_idempotent(model::RUN, "start", kwargs).await
}

/// What a run would ask.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Plan {
    /// The permits.
    pub domains: Vec<Domain>,
    /// How many they are.
    pub total: u64,
    /// How long they take at the rate last measured on the connector, in seconds.
    pub estimated_seconds: f64,
    /// Whether the caller may also claim runs and record answers.
    pub may_work: bool,
}

/// What a run would ask now; changes nothing.
///
/// # Errors
/// What Odoo answers.
pub async fn plan(
    client: &Client,
    connector_id: i64,
    selection: &Selection,
) -> Result<Plan, Error> {
    client.call_idempotent(model::RUN, "plan", selected(connector_id, selection)).await
}

fn selected(connector_id: i64, selection: &Selection) -> Value {
    let mut kwargs = json!(selection);
    kwargs["connector_id"] = json!(connector_id);
    kwargs
}
