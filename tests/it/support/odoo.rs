//! An Odoo on loopback that answers what a test tells it to, over both protocols.
//!
//! It knows the login and the version by itself. Every other call takes the next answer from the
//! script, or what a test's handler says; a call that finds none is answered 500 "was not expected" and
//! fails the test at the end.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use serde_json::{Value, json};
use sicantik_sidecar::odoo::{Client, Protocol, Settings};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub(crate) use super::answer::Answer;
use super::answer::{Body, Closed, page, respond};
use super::within;

pub(crate) const KEY: &str = "key-1f9d0c";
pub(crate) const LOGIN: &str = "sidecar";
pub(crate) const DB: &str = "permits";
pub(crate) const BOTH: [Protocol; 2] = [Protocol::Jsonrpc, Protocol::Json2];

/// One call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) model: String,
    pub(crate) method: String,
    /// By name; over `/jsonrpc` the ids are put back as `ids`.
    pub(crate) kwargs: Value,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

type Handler = Arc<dyn Fn(&Seen) -> Option<Answer> + Send + Sync>;

#[derive(Default)]
struct State {
    handler: Option<Handler>,
    script: VecDeque<Answer>,
    login: VecDeque<Answer>,
    version: Option<Answer>,
    held: Option<(&'static str, Arc<Notify>)>,
    seen: Vec<Seen>,
    unexpected: Vec<String>,
    connections: usize,
}

pub(crate) struct FakeOdoo {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

impl FakeOdoo {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub(crate) async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let state = Arc::new(Mutex::new(State::default()));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&state)));
        Self { addr, state, _server: server }
    }

    /// The answers of the next calls, in order.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) -> &Self {
        self.state().script.extend(answers);
        self
    }

    /// Answers the calls for which the script has nothing.
    pub(crate) fn handle(
        &self,
        handler: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
    ) -> &Self {
        self.state().handler = Some(Arc::new(handler));
        self
    }

    /// The answers of the login, or of `context_get`, which stands in for it over `/json/2`.
    pub(crate) fn login(&self, answer: Answer) -> &Self {
        self.state().login.push_back(answer);
        self
    }

    /// The answer to the question for the version.
    pub(crate) fn version(&self, answer: Answer) -> &Self {
        self.state().version = Some(answer);
        self
    }

    /// Lets the answers to a method leave one by one, when it is notified.
    pub(crate) fn hold(&self, method: &'static str) -> Arc<Notify> {
        let release = Arc::new(Notify::new());
        self.state().held = Some((method, Arc::clone(&release)));
        release
    }

    /// Settings without retry_budget, over `protocol`.
    pub(crate) fn settings(&self, protocol: Protocol) -> Settings {
        settings(&format!("http://{}", self.addr), protocol)
    }

    /// A client without retry_budget.
    pub(crate) async fn client(&self, protocol: Protocol) -> Client {
        self.client_with(self.settings(protocol)).await
    }

    pub(crate) async fn client_with(&self, settings: Settings) -> Client {
        within(Client::connect(&settings)).await.expect("the fake Odoo lets in")
    }

    /// The calls so far, login and version left out.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test thread panicked with it")
    }
}

impl Drop for FakeOdoo {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let state = self.state();
            assert!(state.unexpected.is_empty(), "not expected: {:?}", state.unexpected);
            assert!(state.script.is_empty(), "never asked for: {:?}", state.script);
        }
    }
}

pub(crate) fn settings(url: &str, protocol: Protocol) -> Settings {
    let url = url.parse().expect("an address");
    let mut settings = Settings::new(url, DB, LOGIN, SecretString::from(KEY));
    settings.protocol = protocol;
    settings.timeout = Duration::from_millis(800);
    settings.retry_budget = Duration::ZERO;
    settings
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        state.lock().expect("not poisoned").connections += 1;
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&state)));
            // An error here is a connection that was dropped, which tests do on purpose.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Body>, Closed> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let rpc = path.ends_with("/jsonrpc");
    let mut held = None;
    let next = {
        let mut state = state.lock().expect("not poisoned");
        let place = path.split("/json/2/").nth(1).and_then(|place| place.split_once('/'));
        if path.ends_with("/web/webclient/version_info") {
            let nineteen = json!({
                "server_version": "19.0", "server_version_info": [19, 0, 0, "final", 0, ""],
            });
            return respond(true, &body, state.version.clone().unwrap_or(Answer::Value(nineteen)));
        } else if rpc && body["params"]["service"] == "common" {
            expect_login(&body["params"]["args"]);
            state.login.pop_front().unwrap_or(Answer::Value(json!(7)))
        } else if place == Some(("res.users", "context_get")) {
            assert_eq!(parts.headers["authorization"], format!("bearer {KEY}"));
            state.login.pop_front().unwrap_or(Answer::Value(json!({ "lang": false, "uid": 7 })))
        } else {
            let seen = if rpc {
                by_position(&body["params"], &path, parts.headers)
            } else {
                let (model, method) = place.unwrap_or_default();
                Seen {
                    model: model.to_owned(),
                    method: method.to_owned(),
                    kwargs: body.clone(),
                    path: path.clone(),
                    headers: parts.headers,
                }
            };
            let what = format!("{} {path} {}.{}", parts.method, seen.model, seen.method);
            state.seen.push(seen.clone());
            let handler = state.handler.clone();
            held = state.held.clone().filter(|(method, _)| *method == seen.method);
            match state.script.pop_front().or_else(|| handler.and_then(|handler| handler(&seen))) {
                Some(answer) => answer,
                None => {
                    let text = format!("{what} was not expected");
                    state.unexpected.push(text.clone());
                    return Ok(page(500, "text/plain", text));
                }
            }
        }
    };
    if let Some((_, release)) = held {
        release.notified().await;
    }
    if matches!(next, Answer::Silence) {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    respond(rpc, &body, next)
}

fn expect_login(args: &Value) {
    assert_eq!(args, &json!([DB, LOGIN, KEY]));
}

fn by_position(params: &Value, path: &str, headers: HeaderMap) -> Seen {
    assert_eq!(params["service"], "object");
    assert_eq!(params["method"], "execute_kw");
    let args = params["args"].as_array().cloned().unwrap_or_default();
    assert_eq!(args[..3], [json!(DB), json!(7), json!(KEY)]);
    let mut kwargs = args[6].clone();
    if let Some(ids) = args[5].get(0) {
        kwargs["ids"] = ids.clone();
    }
    Seen {
        model: args[3].as_str().unwrap_or_default().to_owned(),
        method: args[4].as_str().unwrap_or_default().to_owned(),
        kwargs,
        path: path.to_owned(),
        headers,
    }
}
