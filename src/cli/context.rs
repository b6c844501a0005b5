//! What commands that work on permits need: Odoo, the connector, and SICANTIK behind its gate.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::printer::errln;
use crate::config::{Config, Sicantik};
use crate::odoo::{self, Connector, Schema};
use crate::outbound::Gate;
use crate::sicantik;

/// A connector with the two servers that it connects.
pub(super) struct Context {
    pub(super) odoo: odoo::Client,
    pub(super) schema: Schema,
    pub(super) connector: Connector,
    pub(super) settings: Sicantik,
    pub(super) sicantik: sicantik::Client,
}

impl Context {
    /// Connects to Odoo, chooses the connector named `wanted` (or the only one), and prepares to
    /// query SICANTIK at the connector's address or at `api_url`. `stop` ends all its requests.
    pub(super) async fn connect(
        config: &Config,
        wanted: Option<&str>,
        api_url: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        let odoo = connect(config).await?;
        let schema = Schema::read(&odoo).await?;
        let connector = odoo::connector::find(&odoo, &schema, wanted, api_url.is_none()).await?;
        let settings = config.sicantik(api_url.unwrap_or(&connector.api_url), &connector)?;
        let sicantik = client(&settings, stop)?;
        Ok(Self { odoo, schema, connector, settings, sicantik })
    }
}

/// Connects to Odoo, and tells what was in the way.
pub(super) async fn connect(config: &Config) -> Result<odoo::Client, Failure> {
    let odoo = odoo::Client::connect(&config.odoo()?).await?;
    for odoo::Remark { finding, advice } in odoo.remarks() {
        errln!("Note: {finding}. {advice}");
    }
    Ok(odoo)
}

/// A client with a gate of its own: a command works on one connector.
pub(super) fn client(
    settings: &Sicantik,
    stop: &CancellationToken,
) -> Result<sicantik::Client, Failure> {
    let gate = Arc::new(Gate::new(settings.limits));
    let Sicantik { api_url, timeout, authorities, time_zone, .. } = settings;
    sicantik::Client::trusting(api_url, gate, *timeout, stop.clone(), authorities)
        .map(|client| client.with_time_zone(*time_zone))
        .map_err(|error| {
            Failure::temporary(format!("TLS cannot be set up on this machine: {error}."))
        })
}
