//! A file of certificates that are trusted besides the authorities of this machine.

use std::path::PathBuf;

use super::setting::Sourced;
use crate::outbound::tls::Authorities;

/// What a setting `ca_file` names.
#[derive(Clone)]
pub(super) struct CaFile {
    path: PathBuf,
    authorities: Authorities,
}

impl CaFile {
    /// Reads the file; the error follows "which".
    pub(super) fn read(path: &str) -> Result<Self, &'static str> {
        let path = PathBuf::from(path.trim());
        Ok(Self { authorities: Authorities::read(&path)?, path })
    }

    /// Whom the setting adds, if it is given.
    pub(super) fn authorities(given: Option<&Sourced<Self>>) -> Authorities {
        given.map(|given| given.value.authorities.clone()).unwrap_or_default()
    }

    /// The file, as `config` shows it.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }
}
