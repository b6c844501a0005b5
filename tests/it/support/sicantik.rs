//! The simulator in this process, and what is true of it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use sicantik_sidecar::odoo::Permit;
use sicantik_sidecar::outbound::{Gate, Limits};
use sicantik_sidecar::sicantik::Client;
use sicantik_sidecar::sicantik::simulator::{self, Options};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

/// What the simulator says of a permit.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Truth {
    pub(crate) pendaftaran_id: String,
    pub(crate) no_surat: String,
    pub(crate) expiry_date: Option<String>,
    pub(crate) expected: String,
    pub(crate) reason: Option<String>,
    pub(crate) n_pemohon: String,
    pub(crate) n_perizinan: String,
    pub(crate) listed: bool,
    pub(crate) junk: bool,
    pub(crate) nameless: bool,
}

/// A simulator of this test's own.
pub(crate) struct Simulator {
    pub(crate) base: Url,
    http: reqwest::Client,
    _server: JoinSet<()>,
}

impl Simulator {
    pub(crate) async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let base = format!("http://{address}{}", simulator::BASE_PATH).parse().expect("an address");
        let mut server = JoinSet::new();
        server.spawn(async move {
            let stop = std::future::pending();
            simulator::serve(listener, options, stop).await.expect("on this machine");
        });
        sicantik_sidecar::outbound::tls::install();
        Self { base, http: reqwest::Client::new(), _server: server }
    }

    async fn tell(&self, request: reqwest::RequestBuilder) -> String {
        let response = request.send().await.and_then(reqwest::Response::error_for_status);
        response.expect("an answer").text().await.expect("a text")
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(&format!("/_simulator/{path}")).expect("an address")
    }

    /// Changes it while it runs.
    pub(crate) async fn set(&self, what: &str) {
        self.tell(self.http.post(self.url(&format!("set?{what}")))).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let text = self.tell(self.http.get(self.url(path))).await;
        serde_json::from_str(&text).expect("JSON")
    }

    /// How many requests it has seen.
    pub(crate) async fn requests(&self) -> u64 {
        self.get("log/summary").await["requests"].as_u64().expect("a number")
    }

    pub(crate) async fn truth(&self) -> Vec<Truth> {
        let text = self.tell(self.http.get(self.url("truth?format=ndjson"))).await;
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Its permits, as an Odoo would hold them: ids from 1.
    pub(crate) async fn permits(&self) -> Vec<Permit> {
        (1..).zip(self.truth().await).map(|(id, truth)| permit(id, &truth)).collect()
    }

    pub(crate) fn client(&self, limits: Limits, stop: &CancellationToken) -> Client {
        client(&self.base, limits, stop)
    }
}

pub(crate) fn client(base: &Url, limits: Limits, stop: &CancellationToken) -> Client {
    let gate = Arc::new(Gate::new(limits));
    Client::new(base, gate, Duration::from_secs(10), stop.clone()).expect("a client")
}

pub(crate) const fn unlimited(max_in_flight: usize) -> Limits {
    Limits { rate: None, max_in_flight }
}

pub(crate) fn permit(id: i64, truth: &Truth) -> Permit {
    Permit {
        id,
        permit_number: truth.no_surat.clone(),
        registration_id: Some(truth.pendaftaran_id.clone()),
        expiry_date: None,
    }
}
