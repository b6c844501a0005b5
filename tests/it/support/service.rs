//! The service in this process, on a port of its own.

use std::net::SocketAddr;

use secrecy::SecretString;
use serde_json::{Value, json};
use sicantik_sidecar::config::{Config, Flags};
use sicantik_sidecar::odoo::{Protocol, Settings};
use sicantik_sidecar::service::{self, Options};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use super::odoo::settings;
use super::within;

pub(crate) const TOKEN: &str = "token-4c1a9e7720bd5f36";

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

impl Service {
    /// Works for the Odoo at `odoo`, at the rates of its connectors.
    pub(crate) async fn start(odoo: &str) -> Self {
        let mut settings = settings(odoo, Protocol::Json2);
        settings.timeout = Duration::from_secs(30);
        Self::with(settings).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let config = Config::load(&Flags::default(), |_| None).expect("defaults");
        let odoo = Box::new(move || Ok(settings.clone()));
        let options = Options { config, odoo, token: SecretString::from(TOKEN) };
        let stop = CancellationToken::new();
        let shutdown = stop.clone().cancelled_owned();
        let running = tokio::spawn(async move {
            service::serve(options, listener, shutdown).await.expect("on this machine");
        });
        sicantik_sidecar::outbound::tls::install();
        Self { address, http: reqwest::Client::new(), stop, running: Some(running) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// A request with the token.
    pub(crate) fn known(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path).bearer_auth(TOKEN)
    }

    /// Sends a JSON-RPC message; returns the response.
    pub(crate) async fn say(&self, message: &Value) -> Value {
        let sent = self.known(http::Method::POST, "/").json(message).send();
        within(sent).await.expect("an answer").json().await.expect("JSON")
    }

    /// Calls a method; returns the response, with `result` or `error`.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let id = 1;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await
    }

    pub(crate) async fn health(&self) -> Value {
        self.call("sidecar.health", json!({})).await["result"].clone()
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            within(running).await.expect("no panic");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Waits, for a while, until `done` says so.
pub(crate) async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(120), waiting).await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}
