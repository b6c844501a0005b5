//! The settings file: TOML, a section for each thing there is to set, no unknown keys.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::Error;
use crate::odoo::Protocol;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) odoo: Odoo,
    pub(super) sicantik: Sicantik,
    pub(super) sidecar: Sidecar,
}

/// The service.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Sidecar {
    pub(super) listen: Option<SocketAddr>,
    pub(super) token: Option<SecretString>,
    pub(super) token_file: Option<PathBuf>,
}

/// How to reach Odoo.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Odoo {
    pub(super) url: Option<String>,
    pub(super) db: Option<String>,
    pub(super) login: Option<String>,
    pub(super) api_key: Option<SecretString>,
    pub(super) api_key_file: Option<PathBuf>,
    pub(super) protocol: Option<Protocol>,
}

/// How to treat SICANTIK, over what its connector in Odoo says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Sicantik {
    pub(super) request_rate: Option<f64>,
    pub(super) timeout: Option<f64>,
    pub(super) max_in_flight: Option<u32>,
}

pub(super) fn read(path: &Path) -> Result<File, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error(format!("The settings file {} cannot be read: {error}.", path.display()))
    })?;
    toml::from_str(&text).map_err(|error| {
        // Of the error only where and what: its long form repeats the line, which may hold a secret.
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        let what = without_value(&error.message().lines().collect::<Vec<_>>().join(" "));
        Error(format!("The settings file {}, line {line}: {what}.", path.display()))
    })
}

/// The parser's words without the value that was found, which may be a secret on the wrong line.
fn without_value(message: &str) -> String {
    match (message.starts_with("invalid "), message.rfind(", expected ")) {
        (true, Some(place)) => format!("the value is not what belongs here{}", &message[place..]),
        _ => message.to_owned(),
    }
}
