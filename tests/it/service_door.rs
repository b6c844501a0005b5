//! Access to the service: authentication, what is told to whom, and clients that hog connections.

use std::io::ErrorKind;

use http::Method;
use serde_json::{Value, json};
use sicantik_sidecar::odoo::Protocol;
use sicantik_sidecar::sicantik::simulator::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant};

use crate::support::ledger::{Ledger, QueuedRun};
use crate::support::odoo::{Answer, FakeOdoo, KEY};
use crate::support::service::{Service, TOKEN, until};
use crate::support::sicantik::Simulator;
use crate::support::within;

const PLACES: [(Method, &str); 5] = [
    (Method::POST, "/"),
    (Method::GET, "/"),
    (Method::OPTIONS, "/"),
    (Method::GET, "/metrics"),
    (Method::GET, "/nowhere"),
];

/// A service whose Odoo has no work.
async fn idle() -> (FakeOdoo, Service) {
    let odoo = FakeOdoo::start().await;
    Ledger::behind(&odoo, Vec::new());
    let service = Service::start(odoo.settings(Protocol::Json2).url.as_str()).await;
    (odoo, service)
}

fn version() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "sidecar.version" })
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    within(request.send()).await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn nothing_but_the_exact_token_is_accepted() {
    let (_odoo, service) = idle().await;
    let half = &TOKEN[..TOKEN.len() / 2];
    let credentials = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Bearer {half}")),
        Some(format!("Bearer {TOKEN}x")),
        Some(format!("Bearer  {TOKEN}")),
        Some(format!("Bearer {}", TOKEN.to_uppercase())),
        Some(format!("Basic {TOKEN}")),
        Some(TOKEN.to_owned()),
    ];
    for (method, path) in PLACES {
        for credential in &credentials {
            let mut request = service.bare(method.clone(), path).body(version().to_string());
            request = request.header("content-type", "application/json");
            if let Some(credential) = credential {
                request = request.header("authorization", credential);
            }
            let response = within(request.send()).await.expect("an answer");
            assert_eq!(response.status(), 401, "{method} {path} {credential:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
    }
    let shown = service.bare(Method::POST, "/").header("authorization", format!("bearer {TOKEN}"));
    assert_eq!(status(shown.json(&version())).await, 200);
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let (_odoo, service) = idle().await;
    let port = service.address.port();
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")];
    for (method, path) in [(Method::POST, "/"), (Method::GET, "/health"), (Method::GET, "/metrics")]
    {
        for host in ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", ""] {
            let request = service.known(method.clone(), path).header("host", host);
            let status = status(request.json(&version())).await;
            assert!((400..=403).contains(&status), "{path} {host}: {status}");
        }
        for host in [format!("evil.example:{port}"), format!("127.0.0.1.evil.example:{port}")] {
            let request = service.known(method.clone(), path).header("host", &host);
            assert_eq!(status(request.json(&version())).await, 403, "{path} {host}");
        }
        for host in &own {
            let request = service.known(method.clone(), path).header("host", host);
            assert_eq!(status(request.json(&version())).await, 200, "{path} {host}");
        }
    }
    // A foreign name in the request line, or none at all, is refused as well.
    for head in [
        format!("GET http://evil.example/health HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"),
        "GET /health HTTP/1.1\r\n\r\n".to_owned(),
        "GET /health HTTP/1.0\r\n\r\n".to_owned(),
    ] {
        let mut stream = within(TcpStream::connect(service.address)).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = vec![0; 12];
        within(stream.read_exact(&mut answer)).await.expect("an answer");
        let status = String::from_utf8_lossy(&answer[9..]).into_owned();
        assert!(["400", "403"].contains(&status.as_str()), "{head}: {status}");
    }
}

#[tokio::test]
async fn web_pages_get_no_cors_headers() {
    let (_odoo, service) = idle().await;
    for (method, path) in [(Method::OPTIONS, "/"), (Method::GET, "/"), (Method::GET, "/health")] {
        for request in [service.bare(method.clone(), path), service.known(method.clone(), path)] {
            let request = request
                .header("origin", "http://evil.example")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization, content-type");
            let response = within(request.send()).await.expect("an answer");
            let cors: Vec<_> = response
                .headers()
                .keys()
                .filter(|name| name.as_str().starts_with("access-control"))
                .collect();
            assert!(cors.is_empty(), "{method} {path}: {cors:?}");
            assert_eq!(response.status() == 200, path == "/health", "{method} {path}");
        }
    }
    // What a form on a web page can send without a preflight request.
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = service.known(Method::POST, "/").header("content-type", kind);
        assert_eq!(status(request.body(version().to_string())).await, 415, "{kind}");
    }
}

#[tokio::test]
async fn health_is_told_to_everybody_and_secrets_to_nobody() {
    let odoo = FakeOdoo::start().await;
    odoo.handle(|_| Some(Answer::Fault(401, "odoo.exceptions.AccessDenied", "Access Denied")));
    let service = Service::start(odoo.settings(Protocol::Json2).url.as_str()).await;
    until("it has a problem", async || service.health().await["problem"].is_string()).await;
    let text = within(service.bare(Method::GET, "/health").send()).await.expect("an answer");
    assert_eq!(text.status(), 200);
    let text = within(text.text()).await.expect("a text");
    let health: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(health["status"], "waiting");
    assert_eq!(health.get("problem"), None);
    let known = within(service.known(Method::GET, "/health").send()).await.expect("an answer");
    let known = within(known.text()).await.expect("a text");
    assert!(known.contains("refused the API key"), "{known}");
    for text in [text, known] {
        assert!(!text.contains(KEY) && !text.contains(TOKEN), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_are_figures_for_prometheus_without_a_permit_in_them() {
    let simulator = Simulator::start(Options { permits: 40, ..Options::default() }).await;
    let odoo = FakeOdoo::start().await;
    let ledger = Ledger::behind(&odoo, simulator.permits().await);
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()).rate(1_000.0));
    let service = Service::start(odoo.settings(Protocol::Json2).url.as_str()).await;
    until("it is done", async || ledger.run(run).state == "done").await;
    let answer = within(service.known(Method::GET, "/metrics").send()).await.expect("an answer");
    let text = within(answer.text()).await.expect("a text");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
        for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once("=\"").expect("a label");
            assert!(["outcome", "state", "le"].contains(&key), "{line}");
            let value = value.trim_end_matches('"');
            let plain = |byte: u8| byte.is_ascii_lowercase() || b"_.+I0123456789".contains(&byte);
            assert!(value.len() < 20 && value.bytes().all(plain), "{line}");
        }
    }
    for name in [
        "sicantik_requests_total{outcome=\"answered\"}",
        "sicantik_request_duration_seconds_bucket{le=\"0.05\"}",
        "sicantik_requests_in_flight ",
        "sidecar_permits_total{outcome=\"found\"}",
        "sidecar_runs_total{state=\"done\"}",
        "sidecar_last_success_timestamp_seconds ",
        "sidecar_odoo_up ",
        "# HELP sicantik_requests_total ",
        "# TYPE sicantik_request_duration_seconds histogram",
    ] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let (_odoo, service) = idle().await;
    for size in [65 * 1024, 2 * 1024 * 1024] {
        let request = service.known(Method::POST, "/").header("content-type", "application/json");
        let sent = within(request.body(vec![b' '; size]).send()).await;
        // The connection may be closed before all of it has been sent.
        if let Ok(response) = sent {
            assert_eq!(response.status(), 413, "{size}");
        }
    }
    let head = "x".repeat(1024 * 1024);
    let request = service.known(Method::POST, "/").header("x-long", head).json(&version());
    if let Ok(response) = within(request.send()).await {
        assert_eq!(response.status(), 431);
    }
    let batch = |calls: usize| Value::Array(vec![version(); calls]);
    let answers = service.say(&batch(16)).await;
    assert_eq!(answers.as_array().map(Vec::len), Some(16));
    let refused = service.say(&batch(17)).await;
    assert_eq!(refused["error"]["code"], -32010, "{refused}");
    assert_eq!(service.say(&version()).await["result"]["name"], "sicantik-sidecar");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_clients_cannot_lock_others_out() {
    let (_odoo, service) = idle().await;
    let mut silent = Vec::new();
    for number in 0..1_000 {
        let mut stream = within(TcpStream::connect(service.address)).await.expect("a connection");
        if number % 2 == 0 {
            // A head that never ends.
            let _ = stream.write_all(b"POST / HTTP/1.1\r\nHost: 127").await;
        }
        silent.push(stream);
    }
    let start = Instant::now();
    assert_eq!(service.say(&version()).await["result"]["name"], "sicantik-sidecar");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // They do not use up the process's file descriptors either.
    let open = silent.iter().filter(|stream| {
        matches!(stream.try_read(&mut [0; 64]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    });
    let open = open.count();
    assert!(open <= 130, "{open} of 1,000 are open still");
    // The same with a wrong token and a body that never ends.
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer wrong\r\nContent-Type: \
         application/json\r\nContent-Length: 1000\r\n\r\n",
        service.address
    );
    for _ in 0..300 {
        let mut stream = within(TcpStream::connect(service.address)).await.expect("a connection");
        let _ = stream.write_all(head.as_bytes()).await;
        silent.push(stream);
    }
    let start = Instant::now();
    assert_eq!(status(service.bare(Method::GET, "/health")).await, 200);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
