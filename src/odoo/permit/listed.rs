//! The permits of a connector as the listing needs to know them: by registration, or by number where they have none.

use serde::Deserialize;
use serde_json::json;

use super::MODEL;
use crate::odoo::{Client, Error, value};

/// A permit that SICANTIK's listing may have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// Its id in Odoo.
    pub id: i64,
    /// SICANTIK's identity of it.
    #[serde(deserialize_with = "value::text")]
    pub registration_id: String,
    /// Whether the listing had it when last read whole.
    #[serde(default, deserialize_with = "value::truth")]
    pub listed: bool,
}

/// All permits of a connector that have a registration, a page at a time.
#[derive(Debug)]
pub struct RegisteredPages {
    client: Client,
    connector_id: i64,
    after: i64,
}

impl RegisteredPages {
    /// Permits in one page: they are small.
    const SIZE: usize = 5_000;

    /// Permits of this connector.
    pub fn new(client: &Client, connector_id: i64) -> Self {
        Self { client: client.clone(), connector_id, after: 0 }
    }

    /// The next page, or `None` at the end.
    ///
    /// # Errors
    /// What Odoo answers; then the same page is asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Registered>>, Error> {
        let domain = json!([
            ["connector_id", "=", self.connector_id],
            ["registration_id", "!=", false],
            ["id", ">", self.after],
        ]);
        let page: Vec<Registered> = self
            .client
            .call_idempotent(
                MODEL,
                "search_read",
                json!({
                    "domain": domain, "fields": ["registration_id", "listed"],
                    "limit": Self::SIZE, "order": "id",
                }),
            )
            .await?;
        if let Some(last) = page.last() {
            self.after = last.id;
        }
        Ok((!page.is_empty()).then_some(page))
    }
}

/// The numbers of a connector's permits that have none but a number, a page at a time.
#[derive(Debug)]
pub struct UnregisteredPages {
    client: Client,
    connector_id: i64,
    after: i64,
}

impl UnregisteredPages {
    /// Permits of this connector.
    pub fn new(client: &Client, connector_id: i64) -> Self {
        Self { client: client.clone(), connector_id, after: 0 }
    }

    /// The next page, or `None` at the end.
    ///
    /// # Errors
    /// What Odoo answers; then the same page is asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<String>>, Error> {
        #[derive(Deserialize)]
        struct Numbered {
            id: i64,
            #[serde(deserialize_with = "value::text")]
            permit_number: String,
        }
        let domain = json!([
            ["connector_id", "=", self.connector_id],
            ["registration_id", "=", false],
            ["permit_number", "!=", false],
            ["id", ">", self.after],
        ]);
        let page: Vec<Numbered> = self
            .client
            .call_idempotent(
                MODEL,
                "search_read",
                json!({
                    "domain": domain, "fields": ["permit_number"],
                    "limit": RegisteredPages::SIZE, "order": "id",
                }),
            )
            .await?;
        if let Some(last) = page.last() {
            self.after = last.id;
        }
        let numbers: Vec<String> = page.into_iter().map(|permit| permit.permit_number).collect();
        Ok((!numbers.is_empty()).then_some(numbers))
    }
}
