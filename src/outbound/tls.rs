//! The cryptography of every HTTPS connection, chosen once: rustls with the ring provider.
//!
//! rustls panics when two providers are compiled in and none is chosen, and reqwest is built
//! without one; so each client calls [`install`] before it is made.

use std::sync::Once;

/// Makes ring the provider of the process. Calling it again does nothing.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The only refusal is "somebody installed one already", which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
