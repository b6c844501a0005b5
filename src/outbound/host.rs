//! What an address says about its server: where it is, which one it is, and how it may be shown.

use url::{Host, Url};

/// Whether the address is certainly this machine's own. A name that a resolver could send elsewhere
/// is not.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// The server that `url` names: its host in lower case and, unless it is 80 or 443, the port. A
/// server that is reached by http and by https is one machine.
///
/// Odoo's ledger keeps servers apart by the same names (`host` of the addon's
/// `sicantik.connector`).
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

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_certain_addresses_are_this_machines() {
        for (address, expected) in [
            ("http://127.0.0.1:8080/api", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:80", true),
            ("http://LOCALHOST/", true),
            ("http://localhost.example/", false),
            ("http://192.168.1.1/", false),
            ("http://0.0.0.0/", false),
        ] {
            assert_eq!(is_loopback(&url(address)), expected, "{address}");
        }
    }

    #[test]
    fn the_webs_own_ports_make_no_other_server() {
        for (address, expected) in [
            ("http://A.example/api", "a.example"),
            ("https://a.example./", "a.example"),
            ("https://a.example:80/", "a.example"),
            ("http://a.example:8080/", "a.example:8080"),
            ("http://[::1]:8080/", "[::1]:8080"),
        ] {
            assert_eq!(server(&url(address)), expected, "{address}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(shown_url(&url("http://user:pass@a.example/erp/")), "http://a.example/erp");
        assert_eq!(shown_url(&url("https://a.example:8069")), "https://a.example:8069");
    }
}
