//! Who checks certificates: the platform's verifier, whose refusals are explained.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::EndEntityCert;

use super::{Authorities, Problem};

#[derive(Debug)]
pub(super) struct Verifier {
    platform: rustls_platform_verifier::Verifier,
    authorities: Authorities,
}

impl Verifier {
    pub(super) fn new(
        authorities: &Authorities,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let extra = authorities.certificates();
        let platform = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider)?;
        Ok(Self { platform, authorities: authorities.clone() })
    }

    /// Takes a server that vouches for itself with a certificate that could sign others, as
    /// `openssl req -x509` makes them: the platform takes none of these, not even a trusted one. It
    /// has found it valid today before it complains.
    fn take_itself(
        &self,
        error: Error,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, Error> {
        if !is_about_ca(&error) || !self.authorities.contain(certificate) {
            return Err(error);
        }
        let named = EndEntityCert::try_from(certificate)
            .and_then(|certificate| certificate.verify_is_valid_for_subject_name(name));
        match named {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(webpki::Error::CertNotValidForName(names)) => {
                let (expected, presented) = (names.expected, names.presented);
                let error = CertificateError::NotValidForNameContext { expected, presented };
                Err(Error::InvalidCertificate(error))
            }
            Err(_) => Err(error),
        }
    }
}

/// Whether the one complaint is that the certificate could sign others.
fn is_about_ca(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// What a refusal means, where the certificates say more than the verifier does.
fn explained(error: Error, certificate: &CertificateDer<'_>, has_chain: bool) -> Error {
    // An authority of this machine may have the issuer's name, and another key.
    let is_untrusted = matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        )
    );
    if !is_untrusted && !is_about_ca(&error) {
        return error;
    }
    let is_own =
        EndEntityCert::try_from(certificate).is_ok_and(|cert| cert.issuer() == cert.subject());
    let problem = match (is_own, has_chain) {
        (true, _) => Problem::SelfSigned,
        (false, true) => Problem::UnknownAuthority,
        (false, false) => Problem::NoChain,
    };
    Error::Other(OtherError(Arc::new(problem)))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.platform
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .or_else(|error| self.take_itself(error, end_entity, server_name))
            .map_err(|error| explained(error, end_entity, !intermediates.is_empty()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}
