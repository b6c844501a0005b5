//! Connectors: which SICANTIK to ask, how fast, and what came of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Client, Domain, Error, Schema, model, value};

const FIELDS: [&str; 8] = [
    "id",
    "name",
    "api_url",
    "request_rate",
    "request_timeout",
    "max_in_flight",
    "page_size",
    "tz",
];

/// A connector. A setting its model has no field for, or that nobody has set, is `None`. Another module may hold values
/// that cannot be used.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Connector {
    /// Its id in Odoo.
    pub id: i64,
    /// What people call it.
    #[serde(default, deserialize_with = "value::text")]
    pub name: String,
    /// The base address of SICANTIK's API; empty if unset.
    #[serde(default, deserialize_with = "value::text")]
    pub api_url: String,
    /// Requests per second.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub request_rate: Option<f64>,
    /// Seconds one request may take.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub request_timeout: Option<f64>,
    /// Requests on their way at the same time, at most.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub max_in_flight: Option<i64>,
    /// Rows per page of the listing.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub page_size: Option<u32>,
    /// The time zone of its nights, as `Asia/Jakarta`.
    #[serde(default, deserialize_with = "value::falsy")]
    pub tz: Option<String>,
}

impl Connector {
    /// One that sets nothing, for an address that no connector has.
    pub fn unnamed() -> Self {
        Self {
            id: 0,
            name: String::new(),
            api_url: String::new(),
            request_rate: None,
            request_timeout: None,
            max_in_flight: None,
            page_size: None,
            tz: None,
        }
    }
}

/// No connector could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none at all.
    #[error(
        "There is no active connector in Odoo: make one under SICANTIK > Configuration > \
         Connectors, or activate one."
    )]
    None,
    /// None of this name or id.
    #[error("There is no active connector `{wanted}` in Odoo; there {}.", those(.active))]
    NotFound {
        /// The name or id asked for.
        wanted: String,
        /// The active ones.
        active: Vec<Connector>,
    },
    /// Several fit and it was not said which.
    #[error("Several connectors are active: say which with --connector NAME or ID. There {}.", those(.active))]
    Several {
        /// Those that fit.
        active: Vec<Connector>,
    },
    /// The one found has no address to ask.
    #[error("The connector `{name}` has no API address: fill in its API Base URL in Odoo.")]
    NoAddress {
        /// Its name.
        name: String,
    },
    /// Odoo could not be asked.
    #[error(transparent)]
    Odoo(#[from] Error),
}

fn those(active: &[Connector]) -> String {
    let list: Vec<_> = active.iter().map(|one| format!("`{}` (id {})", one.name, one.id)).collect();
    match list.len() {
        0 => "is no active connector at all".to_owned(),
        1 => format!("is {}", list[0]),
        _ => format!("are {}", list.join(", ")),
    }
}

/// The active connectors, by id.
pub async fn active(client: &Client, schema: &Schema) -> Result<Vec<Connector>, Error> {
    // A field `active` hides what is not active by itself; without it all are.
    let domain: Domain = Vec::new();
    client
        .call_idempotent(
            model::CONNECTOR,
            "search_read",
            json!({ "domain": domain, "fields": schema.of_connector(&FIELDS), "order": "id" }),
        )
        .await
}

/// The active connector of this name or id, or the only one when neither is given.
///
/// # Errors
/// [`FindError::NoAddress`] only when `needs_address`: a given `--api-url` stands in for it.
pub async fn find(
    client: &Client,
    schema: &Schema,
    wanted: Option<&str>,
    needs_address: bool,
) -> Result<Connector, FindError> {
    let connector = choose(active(client, schema).await?, wanted)?;
    if needs_address && connector.api_url.trim().is_empty() {
        return Err(FindError::NoAddress { name: connector.name });
    }
    Ok(connector)
}

/// A name counts before an id, so that a connector called `2024` can be named.
fn choose(active: Vec<Connector>, wanted: Option<&str>) -> Result<Connector, FindError> {
    if active.is_empty() {
        return Err(FindError::None);
    }
    let fitting: Vec<Connector> = match wanted {
        None => active.clone(),
        Some(wanted) => {
            let wanted = wanted.trim();
            let named: Vec<_> = active.iter().filter(|one| one.name == wanted).cloned().collect();
            if named.is_empty() {
                let id = wanted.parse::<i64>().ok();
                active.iter().filter(|one| Some(one.id) == id).cloned().collect()
            } else {
                named
            }
        }
    };
    match (fitting.len(), wanted) {
        (1, _) => Ok(fitting.into_iter().next().expect("one was counted")),
        (0, wanted) => {
            Err(FindError::NotFound { wanted: wanted.unwrap_or_default().to_owned(), active })
        }
        _ => Err(FindError::Several { active: fitting }),
    }
}

/// What a run notes on its connector in plain mode.
const STATISTICS: [&str; 3] =
    ["last_expiry_sync_date", "last_expiry_sync_duration", "total_expiry_synced"];

/// Whether connectors have fields for any statistics.
pub fn keeps_statistics(schema: &Schema) -> bool {
    STATISTICS.iter().any(|field| schema.connector_has(field))
}

/// Plain mode: notes on the connector that a run has ended. `found` dates are added to the total.
///
/// Not sent again when its answer is lost: the total would be right, since it is written
/// absolutely, but another's addition in between would be undone.
///
/// # Errors
/// Whatever Odoo answers; the permits are not touched by it.
pub async fn write_statistics(
    client: &Client,
    schema: &Schema,
    connector_id: i64,
    found: u64,
    seconds: f64,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut values = serde_json::Map::new();
    if schema.connector_has("last_expiry_sync_date") {
        values.insert("last_expiry_sync_date".into(), json!(value::datetime(now)));
    }
    if schema.connector_has("last_expiry_sync_duration") {
        values.insert("last_expiry_sync_duration".into(), json!(seconds));
    }
    if schema.connector_has("total_expiry_synced") {
        let rows: Vec<Value> = client
            .call_idempotent(
                model::CONNECTOR,
                "read",
                json!({ "ids": [connector_id], "fields": ["total_expiry_synced"] }),
            )
            .await?;
        let before = rows.first().and_then(|row| row["total_expiry_synced"].as_u64()).unwrap_or(0);
        values.insert("total_expiry_synced".into(), json!(before + found));
    }
    if values.is_empty() {
        return Ok(());
    }
    let _: bool = client
        .call(model::CONNECTOR, "write", json!({ "ids": [connector_id], "vals": values }))
        .await?;
    Ok(())
}
