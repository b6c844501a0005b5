//! The settings of a connector that some modules keep in a model of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use crate::odoo::{Client, Error, Schema, value};

const FIELDS: [&str; 5] =
    ["id", "api_url", "api_timeout", "rate_limit_enabled", "rate_limit_requests"];

/// A configuration. What its model has no field for is `None`.
#[derive(Deserialize)]
pub(super) struct Configuration {
    id: i64,
    #[serde(default, deserialize_with = "value::text")]
    pub(super) api_url: String,
    /// Seconds that one request may take.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub(super) api_timeout: Option<f64>,
    /// Whether the rate is limited.
    #[serde(default)]
    rate_limit_enabled: Option<bool>,
    /// Requests per second. A 0 is not "unset" here: it is an unusable limit.
    #[serde(default, deserialize_with = "value::falsy")]
    rate_limit_requests: Option<f64>,
}

impl Configuration {
    /// Requests per second, where they are limited.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate_limit_requests.filter(|_| self.rate_limit_enabled != Some(false))
    }
}

/// The configurations of these ids, where this database has any.
pub(super) async fn read(
    client: &Client,
    schema: &Schema,
    ids: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, Configuration>, Error> {
    let Some(configuration) = schema.configuration().filter(|_| !ids.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let fields = configuration.of(&FIELDS);
    let rows: Vec<Configuration> = client
        .call_idempotent(&configuration.model, "read", json!({ "ids": ids, "fields": fields }))
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}
