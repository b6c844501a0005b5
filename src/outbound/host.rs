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

/// The server that `url` names: its host in lower case and, where it is neither of the web's own two, the port. A
/// server that is reached by http and by https is one machine.
///
/// Odoo's ledger keeps servers apart by the same names (`host` of the addon's `sicantik.connector`).
#[must_use]
pub fn server(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    match url.port_or_known_default() {
        None | Some(80 | 443) => host.to_owned(),
        Some(port) => format!("{host}:{port}"),
    }
}

/// The address as it may be shown or logged: without the user and password that it may hold.
#[must_use]
pub fn shown_url(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses that can have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}
