//! Where a server is: on this machine, where it is a simulator, or elsewhere.

use url::{Host, Url};

/// Whether the address is this machine's own, for certain: a name that a resolver could send elsewhere is not.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}
