//! Connectors: which SICANTIK to ask, how fast, and what came of it.

mod configuration;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::schema::CONFIGURATION;
use super::{Client, Domain, Error, Schema, model, value};
use configuration::Configuration;

const FIELDS: [&str; 9] = [
    "id",
    "name",
    "api_url",
    "request_rate",
    "request_timeout",
    "max_in_flight",
    "page_size",
    "tz",
    CONFIGURATION,
];

/// A connector. A setting that its model has no field for, or that nobody has set, is `None`.
/// Values of another module may be unusable.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Connector {
    /// Its id in Odoo.
    pub id: i64,
    /// What people call it.
    #[serde(default, deserialize_with = "value::text")]
    pub name: String,
    /// The base address of SICANTIK's API; empty if it is not set.
    #[serde(default, deserialize_with = "value::text")]
    pub api_url: String,
    /// Requests per second.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub request_rate: Option<f64>,
    /// Seconds that one request may take.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub request_timeout: Option<f64>,
    /// Requests in flight at once.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub max_in_flight: Option<i64>,
    /// Rows per page of the listing.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub page_size: Option<u32>,
    /// The time zone of its nights, as `Asia/Jakarta`.
    #[serde(default, deserialize_with = "value::falsy")]
    pub tz: Option<String>,
}

/// A connector as its table has it.
#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    connector: Connector,
    /// The configuration's id, and its name.
    #[serde(default, deserialize_with = "value::falsy")]
    config_id: Option<(i64, IgnoredAny)>,
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

    fn has_address(&self) -> bool {
        !self.api_url.trim().is_empty()
    }

    /// Takes the address of its configuration, with the rate and the time-out that belong to it.
    fn adopt(&mut self, configuration: &Configuration) {
        self.api_url.clone_from(&configuration.api_url);
        self.request_rate = configuration.rate().or(self.request_rate);
        self.request_timeout = configuration.api_timeout.or(self.request_timeout);
    }
}

/// Why no connector could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none at all.
    #[error(
        "There is no active connector in Odoo: make one under SICANTIK > Configuration > \
         Connectors, or activate one."
    )]
    None,
    /// There is none of this name or id.
    #[error("There is no active connector `{wanted}` in Odoo; there {}.", those(.active))]
    NotFound {
        /// The name or id asked for.
        wanted: String,
        /// The active ones.
        active: Vec<Connector>,
    },
    /// Several match.
    #[error("Several connectors are active: say which with --connector NAME or ID. There {}.", those(.active))]
    Several {
        /// Those that match.
        active: Vec<Connector>,
    },
    /// The one found has no address to ask.
    #[error("The connector `{name}` has no API address: {}.", .place.advice())]
    NoAddress {
        /// Its name.
        name: String,
        /// Where it belongs.
        place: AddressPlace,
    },
    /// Odoo could not be asked.
    #[error(transparent)]
    Odoo(#[from] Error),
}

/// Where a database keeps the address of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPlace {
    /// On the connector itself.
    Connector,
    /// On the configuration that the connector names.
    Configuration,
    /// Nowhere.
    Nowhere,
}

impl AddressPlace {
    fn of(schema: &Schema) -> Self {
        if schema.configuration().is_some() {
            Self::Configuration
        } else if schema.connector_has("api_url") {
            Self::Connector
        } else {
            Self::Nowhere
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Connector => "fill in its API Base URL in Odoo",
            Self::Configuration => "fill in the API address of its configuration in Odoo",
            Self::Nowhere => "this Odoo has no field for one, so give it with --api-url",
        }
    }
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
///
/// One without an address of its own has that of its configuration, with the rate and the time-out
/// that belong to it.
pub async fn active(client: &Client, schema: &Schema) -> Result<Vec<Connector>, Error> {
    // A field `active` hides what is not active by itself; without it all are.
    let domain: Domain = Vec::new();
    let rows: Vec<Row> = client
        .call_idempotent(
            model::CONNECTOR,
            "search_read",
            json!({ "domain": domain, "fields": schema.of_connector(&FIELDS), "order": "id" }),
        )
        .await?;
    let elsewhere = rows.iter().filter(|row| !row.connector.has_address());
    let ids: BTreeSet<i64> = elsewhere.filter_map(|row| row.config_id.map(|(id, _)| id)).collect();
    let configurations = configuration::read(client, schema, &ids).await?;
    let connectors = rows.into_iter().map(|Row { mut connector, config_id }| {
        let configuration = config_id.and_then(|(id, _)| configurations.get(&id));
        if let Some(configuration) = configuration
            && !connector.has_address()
        {
            connector.adopt(configuration);
        }
        connector
    });
    Ok(connectors.collect())
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
    if needs_address && !connector.has_address() {
        let place = AddressPlace::of(schema);
        return Err(FindError::NoAddress { name: connector.name, place });
    }
    Ok(connector)
}

/// Chooses by name before id, so that a connector called `2024` can be named.
fn choose(active: Vec<Connector>, wanted: Option<&str>) -> Result<Connector, FindError> {
    if active.is_empty() {
        return Err(FindError::None);
    }
    let mut matching: Vec<Connector> = match wanted.map(str::trim) {
        None => active.clone(),
        Some(wanted) => {
            let named: Vec<_> = active.iter().filter(|one| one.name == wanted).cloned().collect();
            if named.is_empty() {
                let id = wanted.parse::<i64>().ok();
                active.iter().filter(|one| Some(one.id) == id).cloned().collect()
            } else {
                named
            }
        }
    };
    match matching.len() {
        0 => Err(FindError::NotFound { wanted: wanted.unwrap_or_default().to_owned(), active }),
        1 => Ok(matching.remove(0)),
        _ => Err(FindError::Several { active: matching }),
    }
}

/// What a run in plain mode notes on its connector.
const STATISTICS: [&str; 3] =
    ["last_expiry_sync_date", "last_expiry_sync_duration", "total_expiry_synced"];

/// Whether connectors have a field for any statistic.
pub fn keeps_statistics(schema: &Schema) -> bool {
    STATISTICS.iter().any(|field| schema.connector_has(field))
}

/// Notes on the connector that a run in plain mode has ended. `found` dates are added to the total.
///
/// It is not retried. The total is written as it was computed, so a second write could undo what
/// somebody else added in between.
///
/// # Errors
/// Whatever Odoo answers. Permits are not touched.
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
