//! Servers whose TLS is not in order: each is told with its cause and its remedy, and an authority
//! of the settings is enough for those that are.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sicantik_sidecar::odoo::{self, Error, Protocol};
use sicantik_sidecar::outbound::tls::Authorities;
use sicantik_sidecar::outbound::{Gate, Limits};
use sicantik_sidecar::sicantik;
use tokio_util::sync::CancellationToken;

use crate::support::odoo::settings;
use crate::support::tls::{Authority, Identity, Server, TlsServer, stored};
use crate::support::within;

const COUNT: &str = r#"[{"pendaftaran_id":"1","jumlah":"89"}]"#;

/// What connecting to an Odoo there ends in. What answers is no Odoo even where TLS works.
async fn odoo_at(url: &str, authorities: Authorities) -> Error {
    let mut settings = settings(url, Protocol::Auto);
    settings.authorities = authorities;
    within(odoo::Client::connect(&settings)).await.expect_err("it is no Odoo")
}

/// What asking a SICANTIK there ends in.
async fn sicantik_at(url: &str, authorities: Authorities) -> Result<(), sicantik::Error> {
    let url = url.parse().expect("an address");
    let gate = Arc::new(Gate::new(Limits { rate: None, max_in_flight: 4 }));
    let timeout = Duration::from_secs(5);
    let stop = CancellationToken::new();
    let client = sicantik::Client::trusting(&url, gate, timeout, stop, &authorities).expect("TLS");
    within(client.ping()).await.map(drop)
}

/// Whether the cause and the remedy are told, by both.
async fn is_told(server: &TlsServer, cause: &str, remedy: &str) {
    let error = odoo_at(&server.url, Authorities::default()).await;
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(error.needs_change() && error.is_transient());
    let said = error.to_string();
    assert!(said.contains(cause) && said.contains(remedy), "{said}");
    let error = sicantik_at(&server.url, Authorities::default()).await.expect_err("no TLS");
    let said = error.to_string();
    assert!(said.contains(cause), "{said}");
    assert!(matches!(&error, sicantik::Error::Tls(_)), "{error:?}");
}

/// Whether the certificates of `pem` are enough.
async fn is_enough(server: &TlsServer, pem: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let authorities = Authorities::read(&stored(&folder, pem)).expect("certificates");
    let error = odoo_at(&server.url, authorities.clone()).await;
    assert!(matches!(error, Error::NotOdoo { status: 200, .. }), "{error:?}");
    sicantik_at(&server.url, authorities).await.expect("an answer");
}

async fn serving(identity: &Identity) -> TlsServer {
    TlsServer::start(identity, COUNT).await
}

#[tokio::test]
async fn a_chain_with_a_gap_is_told_and_either_end_of_it_mends_it() {
    let root = Authority::root();
    let intermediate = root.intermediate();
    let server = serving(&intermediate.issue(&Server::default())).await;
    is_told(&server, "does not send the intermediate certificate", "ODOO_CA_FILE").await;
    is_enough(&server, intermediate.pem()).await;

    // The whole chain, of an authority that only this house knows.
    let identity = intermediate.issue(&Server::default()).with(&intermediate);
    let server = serving(&identity).await;
    is_told(&server, "of an authority that this machine does not know", "ODOO_CA_FILE").await;
    is_enough(&server, root.pem()).await;
    is_enough(&server, &format!("{}{}", Authority::root().pem(), root.pem())).await;
}

#[tokio::test]
async fn a_server_may_vouch_for_itself_if_the_settings_say_so() {
    for is_ca in [false, true] {
        let identity = Server::default().self_signed(is_ca);
        let server = serving(&identity).await;
        is_told(&server, "its certificate is self-signed", "ODOO_CA_FILE").await;
        is_enough(&server, &identity.pem).await;
    }
}

#[tokio::test]
async fn what_is_wrong_stays_wrong_whoever_is_trusted() {
    let root = Authority::root();
    let folder = tempfile::tempdir().expect("a folder");
    let ended = Server { years: (2020, 2021), ..Server::default() };
    let not_yet = Server { years: (2089, 2090), ..Server::default() };
    let elsewhere = Server { name: "other.example", ..Server::default() };
    for (server, cause, remedy) in [
        (ended, "its certificate ended on 2021-01-02", "Have it renewed"),
        (not_yet, "its certificate begins on 2089-01-02", "this machine's clock"),
        (elsewhere, "is for other.example, not for localhost", "Use a name that is on it"),
    ] {
        for identity in [root.issue(&server), server.self_signed(true), server.self_signed(false)] {
            let pem = format!("{}{}", root.pem(), identity.pem);
            let authorities = Authorities::read(&stored(&folder, &pem)).expect("certificates");
            let server = serving(&identity).await;
            let said = odoo_at(&server.url, authorities.clone()).await.to_string();
            assert!(said.contains(cause) && said.contains(remedy), "{said}");
            let error = sicantik_at(&server.url, authorities).await.expect_err("not trusted");
            assert!(error.to_string().contains(cause), "{error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_speaks_only_what_is_unsafe_is_told() {
    let alert = |description: u8| vec![21, 3, 1, 0, 2, 2, description];
    // The beginning of TLS 1.0: version, 32 random bytes, no session, an old cipher.
    let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    for bytes in [alert(70), alert(40), hello] {
        let server = TlsServer::saying(bytes).await;
        is_told(&server, "only TLS 1.0 or 1.1", "Have TLS 1.2 or later switched on").await;
    }
    let server = TlsServer::saying(Vec::new()).await;
    is_told(&server, "closed the connection while TLS was being set up", "TLS 1.2 or later").await;
    let server = TlsServer::saying(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    is_told(&server, "does not speak TLS", "Use http:// in the address").await;
}

#[test]
fn a_file_without_certificates_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n";
    let nonsense = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for (pem, expected) in [
        ("", "holds no certificate"),
        (key, "holds no certificate"),
        (broken, "is damaged"),
        (nonsense, "holds something that is no certificate"),
    ] {
        let error = Authorities::read(&stored(&folder, pem)).expect_err("not usable");
        assert_eq!(error, expected, "{pem}");
    }
    assert_eq!(Authorities::read(Path::new("/nowhere/ca.pem")), Err("cannot be read"));
}
