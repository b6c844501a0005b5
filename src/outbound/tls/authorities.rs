//! Authorities that are trusted besides those of this machine.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Certificates of authorities, or of servers that vouch for themselves. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorities(Arc<[CertificateDer<'static>]>);

impl Authorities {
    /// Those of a PEM file.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, in words that follow "which".
    pub fn read(path: &Path) -> Result<Self, &'static str> {
        let certificates = CertificateDer::pem_file_iter(path)
            .map_err(|_| "cannot be read")?
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "is damaged")?;
        if certificates.is_empty() {
            return Err("holds no certificate");
        }
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|_| "holds something that is no certificate")?;
        }
        Ok(Self(certificates.into()))
    }

    pub(super) fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> + use<'_> {
        self.0.iter().cloned()
    }

    pub(super) fn contain(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.iter().any(|one| one.as_ref() == certificate.as_ref())
    }
}
