//! Whose the API key is, and when the user's keys expire: an expired key is the commonest reason
//! for a refusal.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::{Client, Error, value};

const MODEL: &str = "res.users.apikeys";

/// An API key of the user. Odoo does not tell which of several is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What the user called it.
    pub name: String,
    /// When it expires; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// A key that expires within so many days is worth a warning.
    pub const EXPIRES_SOON_DAYS: i64 = 14;
}

/// The user's own keys; `None` where Odoo does not let the user see them, or before 18, where keys
/// do not expire.
///
/// # Errors
/// Only those that say nothing about keys: connection, protocol.
pub async fn own_keys(client: &Client) -> Result<Option<Vec<ApiKey>>, Error> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(default, deserialize_with = "value::text")]
        name: String,
        #[serde(default, deserialize_with = "value::moment")]
        expiration_date: Option<DateTime<Utc>>,
    }
    if client.version().major < 18 {
        return Ok(None);
    }
    let rows: Result<Vec<Row>, Error> = client
        .call_idempotent(
            MODEL,
            "search_read",
            json!({
                "domain": [["user_id", "=", client.uid()]], "fields": ["name", "expiration_date"],
            }),
        )
        .await;
    match rows {
        Ok(rows) => Ok(Some(
            rows.into_iter()
                .map(|row| ApiKey { name: row.name, expires_at: row.expiration_date })
                .collect(),
        )),
        Err(Error::AccessError { .. } | Error::BadField { .. } | Error::UnknownModel { .. }) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The login of the user that the key belongs to, where Odoo tells it.
pub async fn key_owner(client: &Client) -> Option<String> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(deserialize_with = "value::text")]
        login: String,
    }
    // By `read`: Odoo lets every user read this of themselves, but not the technical user search.
    let own = json!({ "ids": [client.uid()], "fields": ["login"] });
    let rows: Result<Vec<Row>, Error> = client.call_idempotent("res.users", "read", own).await;
    rows.ok()?.pop().map(|row| row.login)
}
