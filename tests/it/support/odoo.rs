//! An Odoo on loopback that answers what a test tells it to, over both protocols.
//!
//! It answers the login and the question for the version by itself. Every other call takes the next
//! answer from the script, or what a test's handler says; one that finds none fails the test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use secrecy::SecretString;
use serde_json::{Value, json};
use sicantik_sidecar::odoo::{Client, Protocol, Settings};
use tokio::sync::Notify;

pub(crate) use super::answer::Answer;
use super::answer::respond;
use super::http::{Body, Closed, HttpServer, Unexpected, lock};
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
    /// What something in front answers, by the beginning of the path.
    in_front: Vec<(&'static str, Answer)>,
    held: Option<(&'static str, Arc<Notify>)>,
    seen: Vec<Seen>,
}

pub(crate) struct FakeOdoo {
    server: HttpServer,
    state: Arc<Mutex<State>>,
}

impl FakeOdoo {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub(crate) async fn start_at(address: &str) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let answering = Arc::clone(&state);
        let server = HttpServer::start(address, move |request, unexpected| {
            answer(request, Arc::clone(&answering), unexpected)
        });
        Self { server: server.await, state }
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

    /// Something in front answers requests whose path begins with `path`.
    pub(crate) fn in_front(&self, path: &'static str, answer: Answer) -> &Self {
        self.state().in_front.push((path, answer));
        self
    }

    /// Lets the answers to a method leave one by one, when it is notified.
    pub(crate) fn hold(&self, method: &'static str) -> Arc<Notify> {
        let release = Arc::new(Notify::new());
        self.state().held = Some((method, Arc::clone(&release)));
        release
    }

    /// Settings without retries, over `protocol`.
    pub(crate) fn settings(&self, protocol: Protocol) -> Settings {
        settings(&format!("http://{}", self.server.address), protocol)
    }

    /// A client without retries.
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
        self.server.connections()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for FakeOdoo {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let script = &self.state().script;
            assert!(script.is_empty(), "never asked for: {script:?}");
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

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
    unexpected: Unexpected,
) -> Result<Response<Body>, Closed> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let rpc = path.ends_with("/jsonrpc");
    let mut held = None;
    let next = {
        let mut state = lock(&state);
        let in_front = state.in_front.iter().find(|(begin, _)| path.starts_with(begin));
        if let Some((_, answer)) = in_front {
            return respond(rpc, &body, answer.clone());
        }
        let place = path.split("/json/2/").nth(1).and_then(|place| place.split_once('/'));
        let asks_version = rpc && body["params"]["method"] == "version";
        if path.ends_with("/web/webclient/version_info") || asks_version {
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
                None => return Ok(unexpected.answer(&what)),
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
