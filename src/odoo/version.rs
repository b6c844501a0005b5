//! Which Odoo this is, asked without a login.

use super::{Error, Settings};

/// The version of an Odoo server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As Odoo writes it, for people: `19.0-20250918`, `saas~18.2+e`.
    pub text: String,
    /// The number that decides what it can do: 19 for both `19.0` and `saas~19.1`.
    pub major: u32,
}

/// Asks the server its version; fails as [`super::Client::connect`] does where no Odoo answers.
pub async fn ask_version(settings: &Settings) -> Result<Version, Error> {
    let _ = settings;
    Err(Error::Conflict)
}
