//! Who asked for a run.

use serde::Serialize;

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display, strum::EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Trigger {
    /// A person, in Odoo.
    Button,
    /// A scheduled action of Odoo.
    Cron,
    /// The command line.
    Cli,
    /// A caller of the JSON-RPC API.
    Rpc,
}
