//! The TLS of every HTTPS connection: rustls with the ring provider, trusting whom this machine
//! trusts and whom the settings add. Nothing is ever left unverified.
//!
//! - `authorities`: whom the settings add; `verifier`: who checks certificates; `problem`: why
//!   there is no secure connection, and what to do about it.

mod authorities;
mod problem;
mod verifier;

use std::sync::{Arc, Once};

use rustls::ClientConfig;

pub use authorities::Authorities;
pub use problem::Problem;
use verifier::Verifier;

/// Makes ring the provider of the process. Calling it again does nothing.
///
/// reqwest is built without a provider, and rustls panics where none is chosen.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The only possible refusal says that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// How a client sets up its connections.
///
/// # Errors
///
/// If this machine trusts nobody, or an authority cannot be used.
pub(super) fn client_config(authorities: &Authorities) -> Result<ClientConfig, rustls::Error> {
    install();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(authorities, Arc::clone(&provider))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        // "Dangerous" is what replaces the verifier; ours only explains what the platform's says.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
