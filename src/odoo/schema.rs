//! What this database has: the ledger, or only the two models in whichever form.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;
use serde_json::json;

use super::{Client, Error, model};

/// How the sidecar works with this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The addon's `sicantik.sync.run` is there: runs are claimed, batches applied once.
    Ledger,
    /// Only permits and connectors, from whichever module: `search_read` and `write`.
    Plain,
}

/// The fields of both models, as this database has them.
#[derive(Debug, Clone)]
pub struct Schema {
    /// How to work with it.
    pub mode: Mode,
    permit: BTreeSet<String>,
    connector: BTreeSet<String>,
}

/// Without these there is no work to do.
const PERMIT_NEEDS: [&str; 3] = ["permit_number", "expiry_date", "status"];
const CONNECTOR_NEEDS: [&str; 2] = ["name", "api_url"];

impl Schema {
    /// Asks Odoo which models and fields there are.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] or [`Error::MissingFields`] where the work cannot be done at all.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let permit = fields(client, model::PERMIT).await?;
        let connector = fields(client, model::CONNECTOR).await?;
        require(model::PERMIT, &permit, &PERMIT_NEEDS)?;
        require(model::CONNECTOR, &connector, &CONNECTOR_NEEDS)?;
        let mode = match fields(client, model::RUN).await {
            Ok(_) => Mode::Ledger,
            Err(Error::UnknownModel { .. }) => Mode::Plain,
            Err(error) => return Err(error),
        };
        Ok(Self { mode, permit, connector })
    }

    /// Whether permits have this field.
    pub fn permit_has(&self, field: &str) -> bool {
        self.permit.contains(field)
    }

    /// Whether connectors have this field.
    pub fn connector_has(&self, field: &str) -> bool {
        self.connector.contains(field)
    }

    /// Those of `fields` that permits have.
    pub(crate) fn of_permit<'a>(&self, fields: &[&'a str]) -> Vec<&'a str> {
        fields.iter().copied().filter(|field| self.permit_has(field)).collect()
    }

    /// Those of `fields` that connectors have.
    pub(crate) fn of_connector<'a>(&self, fields: &[&'a str]) -> Vec<&'a str> {
        fields.iter().copied().filter(|field| self.connector_has(field)).collect()
    }

    /// A schema as said, for tests of what is built from it.
    #[cfg(test)]
    pub(crate) fn of(mode: Mode, permit: &[&str], connector: &[&str]) -> Self {
        let owned = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
        Self { mode, permit: owned(permit), connector: owned(connector) }
    }
}

async fn fields(client: &Client, model: &str) -> Result<BTreeSet<String>, Error> {
    let found: BTreeMap<String, IgnoredAny> = client
        .call_idempotent(model, "fields_get", json!({ "allfields": [], "attributes": ["type"] }))
        .await?;
    Ok(found.into_keys().collect())
}

fn require(model: &str, found: &BTreeSet<String>, needs: &[&str]) -> Result<(), Error> {
    let missing: Vec<String> = needs
        .iter()
        .filter(|need| !found.contains(**need))
        .map(|need| (*need).to_owned())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::MissingFields { model: model.to_owned(), fields: missing })
}

/// Whether the user may do `operation` (`read`, `write`, `create`, `unlink`) on a model, by its
/// access rights; what single records allow is not asked.
pub async fn may(client: &Client, model: &str, operation: &str) -> Result<bool, Error> {
    // `check_access_rights` warns from 18 on, `has_access` came with 18.
    let (method, kwargs) = if client.version().major >= 18 {
        ("has_access", json!({ "ids": [], "operation": operation }))
    } else {
        ("check_access_rights", json!({ "operation": operation, "raise_exception": false }))
    };
    client.call_idempotent(model, method, kwargs).await
}
