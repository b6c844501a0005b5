//! The cryptography behind every TLS connection of this process.

use std::sync::Once;

/// Makes rustls use ring, once: two of the crates below bring rustls and neither chooses.
pub(crate) fn install_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error says that somebody was first; then there is a provider, which is all we need.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
