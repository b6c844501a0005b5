//! The simulator in this process, what is true of it, and places for answers.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{Stream, stream};
use serde::Deserialize;
use serde_json::Value;
use sicantik_sidecar::odoo::{Error, Permit, run};
use sicantik_sidecar::outbound::{Gate, Limits};
use sicantik_sidecar::sicantik::Client;
use sicantik_sidecar::sicantik::simulator::{self, Options};
use sicantik_sidecar::sync::{self, Ended, ListingUse, Progress, Recorded, Reporter, Sink, Work};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};
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
}

/// A SICANTIK of this test's own.
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

/// One batch as it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) answers: Vec<run::Answer>,
    pub(crate) progress: Progress,
    pub(crate) at: Instant,
}

type Rule<'a> = Box<dyn FnMut(usize) -> Result<Recorded, Error> + Send + 'a>;

/// A place for answers that keeps them, and says of batch 0, 1, 2 … what the test wants it to.
pub(crate) struct Kept<'a> {
    pub(crate) batches: Vec<Batch>,
    rule: Rule<'a>,
    pause: Duration,
}

impl<'a> Kept<'a> {
    /// It takes everything.
    pub(crate) fn all() -> Self {
        Self::by(|_| Ok(Recorded::default()))
    }

    pub(crate) fn by(rule: impl FnMut(usize) -> Result<Recorded, Error> + Send + 'a) -> Self {
        Self { batches: Vec::new(), rule: Box::new(rule), pause: Duration::ZERO }
    }

    /// Each batch takes so long.
    pub(crate) fn slowly(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub(crate) fn answers(&self) -> impl Iterator<Item = &run::Answer> {
        self.batches.iter().flat_map(|batch| &batch.answers)
    }

    /// The outcomes by permit; each permit has one.
    pub(crate) fn outcomes(&self) -> HashMap<i64, run::Outcome> {
        let mut outcomes = HashMap::new();
        for answer in self.answers() {
            let twice = outcomes.insert(answer.permit_id, answer.outcome.clone());
            assert!(twice.is_none(), "permit {} was answered twice", answer.permit_id);
        }
        outcomes
    }
}

impl Sink for Kept<'_> {
    async fn record(
        &mut self,
        answers: &[run::Answer],
        progress: &Progress,
    ) -> Result<Recorded, Error> {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        let said = (self.rule)(self.batches.len());
        let at = Instant::now();
        self.batches.push(Batch { answers: answers.to_vec(), progress: *progress, at });
        said
    }
}

/// Pages of at most a hundred, to be asked for one by one.
pub(crate) fn work(
    permits: &[Permit],
) -> Work<impl Fn() -> stream::Iter<std::vec::IntoIter<Page>> + Send + use<>> {
    let permits = permits.to_vec();
    let total = permits.len() as u64;
    let pages = move || {
        let pages: Vec<Page> = permits.chunks(100).map(|page| Ok(page.to_vec())).collect();
        stream::iter(pages)
    };
    from(pages, total)
}

/// Permits of `pages`, to be asked for one by one.
pub(crate) fn from<F>(pages: F, total: u64) -> Work<F> {
    Work {
        pages,
        total,
        earlier: run::Counts::default(),
        listing: ListingUse::Done,
        wake: Arc::default(),
    }
}

pub(crate) type Page = Result<Vec<Permit>, Error>;

/// Works with nobody watching, and not for ever.
pub(crate) async fn worked<P: Stream<Item = Page> + Send + Unpin>(
    work: Work<impl Fn() -> P + Send>,
    client: &Client,
    sink: &mut impl Sink,
    stop: &CancellationToken,
) -> Ended {
    struct Silent;
    impl Reporter for Silent {
        fn report(&mut self, _: &Progress) {}
    }
    // Of paused time there is plenty.
    let deadline = Duration::from_secs(7_200);
    let mut nobody = Silent;
    let running = sync::run(work, client, sink, stop, &mut nobody);
    tokio::time::timeout(deadline, running).await.expect("an end")
}
