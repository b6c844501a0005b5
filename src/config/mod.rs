//! Settings: flags over environment over a TOML file over defaults, all checked at the start.
//!
//! A setting that cannot be used is an error that names it, never silently the default. Secrets
//! come from the environment, the file, or a file of their own; they have no flag, since arguments
//! are visible to everybody on the machine.
//!
//! # Layout
//!
//! - `setting`: what a setting is, described once.
//! - `odoo`, `sicantik`, `sidecar`: the sections, a file each; `general`: what has no section. A
//!   new section has `SETTINGS`, `load` and `entries`, and is entered in `flags::settings` and
//!   here.
//! - `flags`, `file`, `sources`: where values come from; `show`: how they are shown.

mod address;
mod ca_file;
mod error;
mod file;
mod flags;
mod general;
mod odoo;
mod setting;
mod show;
mod sicantik;
mod sidecar;
mod sources;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::odoo::{Connector, Settings as OdooSettings};
pub use error::Error;
use file::File;
pub use flags::{Flags, settings};
pub use general::LOG;
use setting::Entry;
pub use setting::{Fallback, Origin, Setting, SettingKind, Sourced};
pub use sicantik::{HIGHEST_RATE, Sicantik};
use sources::Sources;

/// All settings in effect.
#[derive(Clone)]
pub struct Config {
    /// The file that was read, if any.
    file: Option<Sourced<PathBuf>>,
    odoo: odoo::Section,
    sicantik: sicantik::Section,
    sidecar: sidecar::Section,
}

impl Config {
    /// Settings from `flags`, the environment, which `variable` looks up, and the file that one of
    /// them names.
    ///
    /// # Errors
    ///
    /// [`Error`] for the first setting that cannot be used.
    pub fn load(flags: &Flags, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let flag = |name: &str| flags.get(name);
        let mut sources = Sources { flag: &flag, variable: &variable, file: None };
        let file = sources.get(&general::CONFIG, |text| match text {
            "" => Err("is empty"),
            path => Ok(PathBuf::from(path)),
        })?;
        if let Some(file) = &file {
            sources.file = Some(read(&file.value)?);
        }
        Ok(Self {
            file,
            odoo: odoo::Section::load(&sources)?,
            sicantik: sicantik::Section::load(&sources)?,
            sidecar: sidecar::Section::load(&sources)?,
        })
    }

    /// How to reach Odoo.
    ///
    /// # Errors
    ///
    /// [`Error`], naming each setting that is missing.
    pub fn odoo(&self) -> Result<OdooSettings, Error> {
        self.odoo.settings()
    }

    /// How to treat the SICANTIK at `api_url`: what is set here, or else what its connector says.
    ///
    /// # Errors
    ///
    /// [`Error`], if the address or a setting of the connector cannot be used, or for a rate that
    /// is too high for a server on another machine.
    pub fn sicantik(&self, api_url: &str, connector: &Connector) -> Result<Sicantik, Error> {
        self.sicantik.of(api_url, connector)
    }

    /// Where the service listens; an address of this machine only.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.sidecar.listen.value
    }

    /// What callers of the service have to present.
    ///
    /// # Errors
    ///
    /// [`Error`], if it is not set or could be guessed.
    pub fn token(&self) -> Result<SecretString, Error> {
        self.sidecar.token()
    }

    /// The files that hold secrets, each with what it holds.
    #[must_use]
    pub fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        let key = self.odoo.api_key_file.as_deref().map(|path| ("the API key", path));
        let token = self.sidecar.token_file().map(|path| ("the service's token", path));
        let files = key.into_iter().chain(token);
        files.map(|(secret, path)| (secret, path.to_owned())).collect()
    }

    fn entries(&self) -> Vec<Entry> {
        [self.odoo.entries(), self.sicantik.entries(), self.sidecar.entries()]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn read(path: &Path) -> Result<File, Error> {
    File::read(path, &settings().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
