//! What this database has: the ledger, or only permits and connectors, in whichever form.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use super::{Client, Error, model, value};

/// How to work with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The addon `sicantik_sidecar` is there: runs are claimed, batches applied once.
    Ledger,
    /// There are only permits and connectors, from whichever module: `search_read` and `write`.
    Plain,
}

/// The models of a database, and their fields.
#[derive(Debug, Clone)]
pub struct Schema {
    /// How to work with it.
    pub mode: Mode,
    permit: BTreeSet<String>,
    connector: BTreeSet<String>,
    configuration: Option<ConfigurationModel>,
}

/// The model in which some modules keep the addresses of connectors, named by `config_id`.
#[derive(Debug, Clone)]
pub(crate) struct ConfigurationModel {
    pub(crate) model: String,
    fields: BTreeSet<String>,
}

/// Without these there is no work to do.
const PERMIT_NEEDS: [&str; 3] = ["permit_number", "expiry_date", "status"];
const CONNECTOR_NEEDS: [&str; 1] = ["name"];

/// The connector's field that names its configuration.
pub(crate) const CONFIGURATION: &str = "config_id";

impl Schema {
    /// Asks Odoo which models and fields there are.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] or [`Error::MissingFields`] where the work cannot be done at all.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let permit = fields(client, model::PERMIT).await?;
        let connector = fields(client, model::CONNECTOR).await?;
        let permit = names(&permit);
        let configuration = configuration(client, &connector).await?;
        let connector = names(&connector);
        require(model::PERMIT, &permit, &PERMIT_NEEDS)?;
        require(model::CONNECTOR, &connector, &CONNECTOR_NEEDS)?;
        let mode = match fields(client, model::RUN).await {
            Ok(_) => Mode::Ledger,
            Err(Error::UnknownModel { .. }) => Mode::Plain,
            Err(error) => return Err(error),
        };
        Ok(Self { mode, permit, connector, configuration })
    }

    /// Whether permits have this field.
    pub fn permit_has(&self, field: &str) -> bool {
        self.permit.contains(field)
    }

    /// Whether connectors have this field.
    pub fn connector_has(&self, field: &str) -> bool {
        self.connector.contains(field)
    }

    /// The model that keeps the addresses of connectors, where it is not their own.
    pub(crate) fn configuration(&self) -> Option<&ConfigurationModel> {
        self.configuration.as_ref()
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
        let (permit, connector) = (owned(permit), owned(connector));
        Self { mode, permit, connector, configuration: None }
    }
}

impl ConfigurationModel {
    /// Those of `fields` that it has.
    pub(crate) fn of<'a>(&self, fields: &[&'a str]) -> Vec<&'a str> {
        fields.iter().copied().filter(|field| self.fields.contains(*field)).collect()
    }
}

/// A field, as `fields_get` describes it.
#[derive(Deserialize)]
struct Field {
    /// The model that a relation leads to.
    #[serde(default, deserialize_with = "value::falsy")]
    relation: Option<String>,
}

async fn fields(client: &Client, model: &str) -> Result<BTreeMap<String, Field>, Error> {
    let attributes = json!({ "allfields": [], "attributes": ["type", "relation"] });
    client.call_idempotent(model, "fields_get", attributes).await
}

fn names(fields: &BTreeMap<String, Field>) -> BTreeSet<String> {
    fields.keys().cloned().collect()
}

/// Where a connector's `config_id` leads, if an address is kept there.
async fn configuration(
    client: &Client,
    connector: &BTreeMap<String, Field>,
) -> Result<Option<ConfigurationModel>, Error> {
    let Some(model) = connector.get(CONFIGURATION).and_then(|field| field.relation.clone()) else {
        return Ok(None);
    };
    let fields = names(&fields(client, &model).await?);
    Ok(fields.contains("api_url").then_some(ConfigurationModel { model, fields }))
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
/// access rights. Record rules are not asked.
pub async fn may(client: &Client, model: &str, operation: &str) -> Result<bool, Error> {
    // `check_access_rights` warns from 18 on, `has_access` came with 18.
    let (method, kwargs) = if client.version().major >= 18 {
        ("has_access", json!({ "ids": [], "operation": operation }))
    } else {
        ("check_access_rights", json!({ "operation": operation, "raise_exception": false }))
    };
    client.call_idempotent(model, method, kwargs).await
}
