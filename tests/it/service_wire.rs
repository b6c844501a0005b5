//! The JSON-RPC API as callers see it: a snapshot of each method's request and response, so that a
//! change shows in review.

use std::fmt::Write;

use serde_json::{Value, json};
use sicantik_sidecar::odoo::Protocol;
use sicantik_sidecar::sicantik::simulator::Options;
use soketto::handshake::client::Header;
use soketto::handshake::{Client, ServerResponse};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::support::ledger::{Ledger, QueuedRun};
use crate::support::odoo::{Answer, FakeOdoo};
use crate::support::service::{Service, TOKEN, until};
use crate::support::sicantik::Simulator;
use crate::support::within;

/// A service that is connected to an Odoo without runs.
async fn office() -> (Simulator, FakeOdoo, Ledger, Service) {
    let simulator =
        Simulator::start(Options { permits: 30, clean: true, ..Options::default() }).await;
    let odoo = FakeOdoo::start().await;
    let ledger = Ledger::behind(&odoo, simulator.permits().await);
    let service = Service::start(odoo.settings(Protocol::Json2).url.as_str()).await;
    until("it is connected", async || service.health().await["last_look_at"].is_string()).await;
    (simulator, odoo, ledger, service)
}

/// Replaces values that differ between runs by a placeholder.
fn settled(value: &mut Value) {
    let varies = [
        ("request_id", "16 hexadecimal digits"),
        ("started_at", "a moment"),
        ("last_look_at", "a moment"),
        ("last_claim_at", "a moment"),
        ("elapsed_ms", "a number"),
        ("rate", "a number"),
        ("eta_seconds", "a number or null"),
        ("version", "a version"),
        ("subscription", "an id"),
    ];
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match varies.iter().find(|(varying, _)| varying == name) {
                    Some((_, kind)) if !field.is_null() || kind.contains("null") => {
                        *field = json!(format!("<{kind}>"));
                    }
                    _ => settled(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settled),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn every_method_keeps_its_shape() {
    let (simulator, _odoo, ledger, service) = office().await;
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()).rate(1_000.0));
    until("it is done", async || ledger.run(run).state == "done").await;
    // Whoever adds a method adds it here too.
    let source = include_str!("../../src/service/api.rs");
    let names = source.split("name = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut wire = format!("Methods: {}\n\n", names.clone().collect::<Vec<_>>().join(", "));
    let calls = [
        ("sidecar.version", json!({})),
        ("sidecar.health", json!({})),
        ("sync.wake", json!({})),
        ("sync.start", json!({ "connector_id": 1, "kind": "expiry", "max_permits": 10 })),
        ("sync.start", json!({ "connector_id": 1, "kind": "expiry", "dry_run": true })),
        ("sync.status", json!({ "run_id": 1 })),
        ("sync.list", json!({ "limit": 5 })),
        ("sync.cancel", json!({ "run_id": 1 })),
        ("sync.estimate", json!({ "connector_id": 1, "include_not_due": true })),
        ("sicantik.test", json!({ "connector_id": 1 })),
        // Wrong use.
        ("sync.start", json!({ "connector_id": 1, "kind": "paint" })),
        ("sync.start", json!({ "kind": "expiry" })),
        ("sync.status", json!({ "run_id": "1" })),
        ("sync.nothing", json!({})),
    ];
    for name in names.filter(|name| !name.starts_with("sync.progress")) {
        assert!(calls.iter().any(|(method, _)| *method == name), "{name} is not called here");
    }
    for (method, params) in calls {
        let mut answer = service.call(method, params.clone()).await;
        settled(&mut answer);
        for field in ["jsonrpc", "id"] {
            answer.as_object_mut().expect("an object").remove(field).expect(field);
        }
        let answer = serde_json::to_string_pretty(&answer).expect("JSON");
        writeln!(wire, "{method} {params}\n{answer}\n").expect("memory");
    }
    insta::assert_snapshot!(wire);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_has_its_code_a_sentence_and_an_id() {
    let (simulator, odoo, ledger, service) = office().await;
    ledger.add(QueuedRun::of("expiry", "http://127.0.0.1:9/api"));
    until("it has failed", async || ledger.run(1).state == "failed").await;
    let mut codes = Vec::new();
    let mut refused = async |method: &str, params: Value| {
        let answer = service.call(method, params).await;
        let error = &answer["error"];
        let id = error["data"]["request_id"].as_str().expect("an id");
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        let sentence = error["message"].as_str().expect("a sentence");
        assert!(sentence.ends_with('.') && sentence.contains(' '), "{sentence}");
        codes.push((error["code"].as_i64().expect("a code"), sentence.to_owned()));
    };
    refused("sicantik.test", json!({ "connector_id": 1 })).await;
    odoo.answers([Answer::Value(json!([]))]);
    refused("sync.status", json!({ "run_id": 99 })).await;
    odoo.answers([Answer::Fault(403, "odoo.exceptions.AccessError", "You may not do that.")]);
    refused("sync.start", json!({ "connector_id": 1, "kind": "check" })).await;
    odoo.answers([Answer::Raw(502, "text/html", "<h1>Bad Gateway</h1>")]);
    refused("sync.list", json!({})).await;
    drop(simulator);
    let numbers: Vec<i64> = codes.iter().map(|(code, _)| *code).collect();
    assert_eq!(numbers, [1004, 1003, 1002, 1001], "{codes:?}");
}

type Ws = (soketto::Sender<Compat<TcpStream>>, soketto::Receiver<Compat<TcpStream>>);

/// A WebSocket, or the status with which it was refused.
async fn websocket(service: &Service, token: Option<&str>) -> Result<Ws, u16> {
    let stream = within(TcpStream::connect(service.address)).await.expect("a connection");
    // A message is written in two parts; with paused time, waiting for the second would time out.
    stream.set_nodelay(true).expect("a socket");
    let host = service.address.to_string();
    let mut client = Client::new(stream.compat(), &host, "/");
    let credential = format!("Bearer {}", token.unwrap_or_default());
    let headers = [Header { name: "authorization", value: credential.as_bytes() }];
    if token.is_some() {
        client.set_headers(&headers);
    }
    let accepted = within(client.handshake()).await.expect("an answer");
    match accepted {
        ServerResponse::Accepted { .. } => Ok(client.into_builder().finish()),
        ServerResponse::Rejected { status_code } => Err(status_code),
        other => panic!("{other:?}"),
    }
}

async fn send((sender, _): &mut Ws, message: Value) {
    within(sender.send_text(message.to_string())).await.expect("sent");
    within(sender.flush()).await.expect("sent");
}

async fn receive((_, receiver): &mut Ws) -> Value {
    let mut data = Vec::new();
    within(receiver.receive_data(&mut data)).await.expect("a message");
    serde_json::from_slice(&data).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_over_a_websocket_to_who_shows_the_token() {
    let (simulator, _odoo, ledger, mut service) = office().await;
    for token in [None, Some("wrong"), Some(&TOKEN[..10])] {
        assert_eq!(websocket(&service, token).await.err(), Some(401), "{token:?}");
    }
    let mut socket = websocket(&service, Some(TOKEN)).await.expect("let in");
    let subscribe = json!({ "jsonrpc": "2.0", "id": 1, "method": "sync.progress" });
    send(&mut socket, subscribe.clone()).await;
    let answer = receive(&mut socket).await;
    let subscription = answer["result"].clone();
    assert!(subscription.is_string() || subscription.is_number(), "{answer}");
    // A POST cannot subscribe.
    assert!(service.say(&subscribe).await["error"]["code"].is_number());

    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()).rate(1_000.0));
    service.call("sync.wake", json!({})).await;
    let mut states = Vec::new();
    let last = loop {
        let event = receive(&mut socket).await;
        assert_eq!(event["method"], "sync.progress");
        assert_eq!(event["params"]["subscription"], subscription);
        let state = event["params"]["result"]["state"].as_str().expect("a state").to_owned();
        states.push(state.clone());
        if state != "running" {
            break event;
        }
    };
    assert!(states.len() >= 2, "{states:?}");
    let told = &last["params"]["result"];
    let counts = json!({ "found": 30, "no_date": 0, "not_registered": 0, "failed": 0 });
    assert_eq!((&told["run_id"], &told["total"]), (&json!(run), &json!(30)));
    assert_eq!(told["counts"], counts);
    let mut shape = last;
    settled(&mut shape);
    insta::assert_snapshot!(serde_json::to_string_pretty(&shape).expect("JSON"));

    // The end of the service ends the conversation.
    service.stop().await;
    let mut data = Vec::new();
    assert!(within(socket.1.receive_data(&mut data)).await.is_err());
}
