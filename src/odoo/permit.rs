//! Permits: read in pages and, without the ledger, written grouped by date.

mod listed;
mod plain;

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::json;

use super::pages::{Pages, Record};
use super::{Client, Domain, Error, Schema, model, value};

pub use listed::{Registered, Unregistered, registered, unregistered};
pub use plain::{Written, plain_domains, write_dates};

const FIELDS: [&str; 4] = ["id", "permit_number", "registration_id", "expiry_date"];

/// What the work needs to know of a permit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Permit {
    /// Its id in Odoo.
    pub id: i64,
    /// The number as printed: free text, not unique. Empty if unset.
    #[serde(default, deserialize_with = "value::text")]
    pub permit_number: String,
    /// The server's identity of the permit, where Odoo knows it.
    #[serde(default, deserialize_with = "value::some_text")]
    pub registration_id: Option<String>,
    /// The expiry date it has already.
    #[serde(default, deserialize_with = "value::falsy")]
    pub expiry_date: Option<NaiveDate>,
}

impl Record for Permit {
    const MODEL: &'static str = model::PERMIT;
    /// Larger pages are hardly faster, and all permits of a page are held.
    const PAGE_SIZE: usize = 1_000;

    fn id(&self) -> i64 {
        self.id
    }
}

/// The permits of `domains`, at most `limit` in all.
pub fn pages(
    client: &Client,
    schema: &Schema,
    domains: Vec<Domain>,
    limit: Option<usize>,
) -> Pages<Permit> {
    Pages::new(client, schema.of_permit(&FIELDS), domains, limit)
}

/// How many permits the domains name together.
///
/// # Errors
/// What Odoo answers.
pub async fn count(client: &Client, domains: &[Domain]) -> Result<u64, Error> {
    let mut total = 0;
    for domain in domains {
        let kwargs = json!({ "domain": domain });
        let found: u64 = client.call_idempotent(model::PERMIT, "search_count", kwargs).await?;
        total += found;
    }
    Ok(total)
}
