//! `[sidecar]`: where the service listens, and what its callers have to present.

use std::net::SocketAddr;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::error::Error;
use super::setting::{Entry, Fallback, HIDDEN, Setting, SettingKind, Sourced};
use super::sources::{Secret, Sources};
use crate::http_server::is_local;

/// A shorter token can be guessed, characters.
const SHORTEST_TOKEN: usize = 16;

static LISTEN: Setting = Setting {
    key: Some("sidecar.listen"),
    flag: Some("sidecar-listen"),
    variable: "SIDECAR_LISTEN",
    kind: SettingKind::Text("ADDRESS:PORT"),
    default: Fallback::Value("127.0.0.1:8787"),
    meaning: "Where `serve` listens; an address of this machine only",
    expected: "127.0.0.1 or [::1] and a port, such as 127.0.0.1:8787",
};

static TOKEN: Setting = Setting {
    key: Some("sidecar.token"),
    flag: None,
    variable: "SIDECAR_TOKEN",
    kind: SettingKind::Secret,
    default: Fallback::None,
    meaning: "What callers of the service have to present, at least 16 characters",
    expected: "a random text such as `openssl rand -hex 32` prints",
};

/// The settings of this section.
pub(super) static SETTINGS: [&Setting; 2] = [&LISTEN, &TOKEN];

/// The service.
#[derive(Clone)]
pub(super) struct Section {
    pub(super) listen: Sourced<SocketAddr>,
    /// Only `serve` needs it: other commands must not fail on an unreadable token file.
    token: Option<Secret>,
}

impl Section {
    pub(super) fn load(sources: &Sources<'_>) -> Result<Self, Error> {
        let listen = sources.get_or_default(&LISTEN, |text| {
            let address = text.trim().parse().map_err(|_| "is not an address and a port")?;
            if is_local(&address) { Ok(address) } else { Err("other machines can reach") }
        })?;
        Ok(Self { listen, token: sources.secret(&TOKEN) })
    }

    /// What callers of the service have to present.
    ///
    /// # Errors
    ///
    /// [`Error`], if it is not set or could be guessed.
    pub(super) fn token(&self) -> Result<SecretString, Error> {
        let how = format!(
            "set {}, or {} to a file that holds it, to {}, and the same in Odoo's settings",
            TOKEN.variable,
            TOKEN.file_variable(),
            TOKEN.expected
        );
        let Some(token) = &self.token else {
            return Err(Error(format!("The service needs a token: {how}.")));
        };
        let token = token.given.value.clone()?;
        if token.expose_secret().len() < SHORTEST_TOKEN {
            return Err(Error(format!(
                "The service's token is shorter than {SHORTEST_TOKEN} characters: {how}."
            )));
        }
        Ok(token)
    }

    /// The file that holds the token, if one does.
    pub(super) fn token_file(&self) -> Option<&Path> {
        self.token.as_ref()?.file.as_deref()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        vec![
            Entry::new(&LISTEN, Some(&self.listen), SocketAddr::to_string),
            Entry::new(
                &TOKEN,
                self.token.as_ref().map(|token| &token.given),
                |token| match token {
                    Ok(_) => HIDDEN.to_owned(),
                    Err(_) => "(its file cannot be read)".to_owned(),
                },
            ),
        ]
    }
}
