//! The cryptography of every HTTPS connection, chosen once: rustls with the ring provider.
//!
//! reqwest is built without a provider, and rustls panics where none is chosen. So every client
//! calls [`install`] first.

use std::sync::Once;

/// Makes ring the provider of the process. Calling it again does nothing.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The only possible refusal says that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
