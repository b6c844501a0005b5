//! What the service needs to start.

use secrecy::SecretString;

use crate::config::{self, Config};
use crate::odoo;

/// Yields the settings to reach Odoo.
pub type OdooSettings =
    Box<dyn Fn() -> Result<odoo::Settings, config::Error> + Send + Sync + 'static>;

/// What the service needs to start.
pub struct Options {
    /// How to treat SICANTIK.
    pub config: Config,
    /// How to reach Odoo, read anew for each attempt to connect: a key file may have been replaced.
    pub odoo: OdooSettings,
    /// What callers have to present.
    pub token: SecretString,
}
