//! A connector's permits as the listing needs to know them: by registration, or by number where
//! they have none.

use serde::Deserialize;
use serde_json::json;

use crate::odoo::pages::{Pages, Record};
use crate::odoo::{Client, model, value};

/// Permits in one page: they are small.
const PAGE_SIZE: usize = 5_000;

/// A permit that the server's listing may have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// Its id in Odoo.
    pub id: i64,
    /// The server's identity of it.
    #[serde(deserialize_with = "value::text")]
    pub registration_id: String,
    /// Whether it was in the listing when that was last read completely.
    #[serde(default, deserialize_with = "value::truth")]
    pub listed: bool,
}

impl Record for Registered {
    const MODEL: &'static str = model::PERMIT;
    const PAGE_SIZE: usize = PAGE_SIZE;

    fn id(&self) -> i64 {
        self.id
    }
}

/// The connector's permits that have a registration.
pub fn registered(client: &Client, connector_id: i64) -> Pages<Registered> {
    let domain =
        vec![json!(["connector_id", "=", connector_id]), json!(["registration_id", "!=", false])];
    Pages::new(client, vec!["registration_id", "listed"], vec![domain], None)
}

/// A permit that Odoo knows by its number alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Unregistered {
    /// Its id in Odoo.
    pub id: i64,
    /// The number as printed.
    #[serde(deserialize_with = "value::text")]
    pub permit_number: String,
}

impl Record for Unregistered {
    const MODEL: &'static str = model::PERMIT;
    const PAGE_SIZE: usize = PAGE_SIZE;

    fn id(&self) -> i64 {
        self.id
    }
}

/// The connector's permits that have a number but no registration.
pub fn unregistered(client: &Client, connector_id: i64) -> Pages<Unregistered> {
    let domain = vec![
        json!(["connector_id", "=", connector_id]),
        json!(["registration_id", "=", false]),
        json!(["permit_number", "!=", false]),
    ];
    Pages::new(client, vec!["permit_number"], vec![domain], None)
}
