//! Certificates made for a test, and servers on loopback that present them or fail at TLS.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A certificate with what is needed to sign others.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    /// One that vouches for itself.
    pub(crate) fn root() -> Self {
        let (params, key) = (authority("The Test's Root"), new_key());
        let certificate = params.self_signed(&key).expect("a certificate");
        Self::of(params, key, &certificate)
    }

    /// One that this one vouches for.
    pub(crate) fn intermediate(&self) -> Self {
        let (params, key) = (authority("The Test's Intermediate"), new_key());
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Self::of(params, key, &certificate)
    }

    fn of(params: CertificateParams, key: KeyPair, certificate: &rcgen::Certificate) -> Self {
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Self { issuer: Issuer::new(params, key), der, pem }
    }

    /// A server's certificate.
    pub(crate) fn issue(&self, server: &Server) -> Identity {
        let (params, key) = (server.params(), new_key());
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// What a server's certificate says.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// The years of its first and last day.
    pub(crate) years: (i32, i32),
}

impl Default for Server {
    fn default() -> Self {
        Self { name: "localhost", years: (2020, 2090) }
    }
}

impl Server {
    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new([self.name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.not_before = date_time_ymd(self.years.0, 1, 2);
        params.not_after = date_time_ymd(self.years.1, 1, 2);
        params
    }

    /// A certificate without an authority; with `is_ca` as `openssl req -x509` makes it.
    pub(crate) fn self_signed(&self, is_ca: bool) -> Identity {
        let (mut params, key) = (self.params(), new_key());
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = params.self_signed(&key).expect("a certificate");
        Identity { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }
}

/// What a server presents.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    pub(crate) pem: String,
    key: KeyPair,
}

impl Identity {
    /// With the certificate of `authority` behind it.
    pub(crate) fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der.clone());
        self
    }
}

/// A server that ends when it is dropped.
pub(crate) struct TlsServer {
    /// Its address, by name.
    pub(crate) url: String,
    _task: JoinSet<()>,
}

impl TlsServer {
    /// Answers every request with `body`, behind TLS.
    pub(crate) async fn start(identity: &Identity, body: &'static str) -> Self {
        sicantik_sidecar::outbound::tls::install();
        let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(identity.chain.clone(), key)
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 8_192];
                let _ = stream.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    /// Answers the beginning of TLS with these bytes, and hangs up.
    pub(crate) async fn saying(bytes: Vec<u8>) -> Self {
        Self::serve(move |mut stream| {
            let bytes = bytes.clone();
            async move {
                let mut hello = [0; 8_192];
                let _ = stream.read(&mut hello).await;
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    async fn serve<F>(answer: impl Fn(tokio::net::TcpStream) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(answer(stream));
            }
        });
        Self { url: format!("https://localhost:{port}"), _task: task }
    }
}

/// Certificates in a file.
pub(crate) fn stored(folder: &TempDir, pem: &str) -> PathBuf {
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, pem).expect("written");
    path
}
