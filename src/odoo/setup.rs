//! How a database is set up for a sidecar: what `doctor` compares with the service's own settings.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::{Client, Error, model, value};

/// What Odoo knows of sidecars and of its own part in the work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Setup {
    /// When a sidecar was last heard of.
    #[serde(default, deserialize_with = "value::moment")]
    pub last_seen: Option<DateTime<Utc>>,
    /// Which one that was.
    #[serde(default, deserialize_with = "value::text")]
    pub worker: String,
    /// Whether that is too long ago.
    #[serde(default, deserialize_with = "value::truth")]
    pub silent: bool,
    /// Where Odoo calls the service.
    #[serde(default, deserialize_with = "value::text")]
    pub url: String,
    /// What it presents there.
    pub token: Token,
    /// The scheduled actions that start runs.
    #[serde(default)]
    pub actions: Vec<ScheduledAction>,
}

/// The token that Odoo presents to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Token {
    /// There is none.
    Missing,
    /// The one that was asked about.
    Same,
    /// Another than the one that was asked about.
    Other,
    /// There is one; none was asked about.
    Unknown,
}

/// A scheduled action.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ScheduledAction {
    /// What people call it.
    #[serde(default, deserialize_with = "value::text")]
    pub name: String,
    /// Whether it is there at all.
    #[serde(default, deserialize_with = "value::truth")]
    pub exists: bool,
    /// Whether it is switched on.
    #[serde(default, deserialize_with = "value::truth")]
    pub active: bool,
    /// When it is called next.
    #[serde(default, deserialize_with = "value::moment")]
    pub next_call: Option<DateTime<Utc>>,
}

/// How the database is set up; `None` where the addon is too old to tell. The token is compared
/// with `token_digest`, the SHA-256 of the service's own in hexadecimal, and stays in Odoo.
///
/// # Errors
/// What Odoo answers.
pub async fn setup(client: &Client, token_digest: Option<&str>) -> Result<Option<Setup>, Error> {
    let kwargs = json!({ "token_digest": token_digest });
    match client.call_idempotent(model::SIDECAR, "describe_setup", kwargs).await {
        Ok(setup) => Ok(Some(setup)),
        Err(Error::UnknownMethod { .. } | Error::UnknownModel { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
