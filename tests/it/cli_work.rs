//! The program at work beside a fake Odoo.

use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;

use serde_json::json;
use sicantik_sidecar::sicantik::simulator::Options;
use tokio::process::Child;
use tokio::time::{Duration, Instant};

use crate::support::ledger::{Ledger, QueuedRun};
use crate::support::odoo::{Answer, FakeOdoo};
use crate::support::plain::Plain;
use crate::support::program::{ended, finished, interrupt, program};
use crate::support::sicantik::Simulator;
use crate::support::web::{Reply, Web};

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer.into()
}

async fn clean(permits: u32) -> Simulator {
    let latency = Duration::from_millis(20);
    Simulator::start(Options { permits, latency, clean: true, ..Options::default() }).await
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_no_success() {
    let odoo = FakeOdoo::start().await;
    let mut command = program(&odoo, &["config"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    command.stdout(full);
    let finished = finished(command).await;
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("cannot be written"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_closed_pipe_changes_no_exit_code() {
    let simulator = clean(3).await;
    let odoo = FakeOdoo::start().await;
    let permits = simulator.permits().await;
    let plain = Plain::behind(&odoo, permits, simulator.base.as_str(), |_| None);
    // `sync` writes its log as well, and `doctor` finds something to say of the key.
    plain.connector("request_rate", 100.into());
    for (arguments, code) in [
        (&["config"][..], 0),
        (&["completions", "bash"], 0),
        (&["runs"], 2),
        (&["doctor"], 0),
        (&["doctor", "--connector", "nobody"], 1),
        (&["sync", "expiry"], 0),
        (&["sync", "expiry", "--json"], 0),
        (&["sync", "permits"], 2),
    ] {
        let mut command = program(&odoo, arguments);
        command.env("SIDECAR_LOG", "debug,=nonsense=").stdout(closed()).stderr(closed());
        assert_eq!(finished(command).await.code, Some(code), "{arguments:?}");
    }
    assert_eq!(plain.dates().len(), 3);

    // What is still read is still written.
    let mut command = program(&odoo, &["sync", "expiry", "--json"]);
    command.stderr(closed());
    assert_eq!(finished(command).await.json()["synced"], 3);
    let mut command = program(&odoo, &["sync", "expiry"]);
    command.stdout(closed());
    assert!(finished(command).await.stderr.contains("Connector `Karo`"));
}

#[tokio::test]
async fn an_interrupt_that_ends_the_reader_too_loses_nothing() {
    let simulator = clean(1_000).await;
    let odoo = FakeOdoo::start().await;
    let permits = simulator.permits().await;
    let plain = Plain::behind(&odoo, permits, simulator.base.as_str(), |_| None);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = program(&odoo, &["sync", "expiry", "--request-rate", "100"]);
    command.stdout(writer.try_clone().expect("the same pipe")).stderr(writer);
    let child = command.spawn().expect("the program runs");
    drop(command);
    let reading = tokio::task::spawn_blocking(move || {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains("Progress") {
            let mut piece = [0; 64];
            let length = reader.read(&mut piece).expect("the pipe is open");
            assert!(length > 0, "it ended early: {}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&piece[..length]);
        }
    });
    reading.await.expect("a line of progress, and then nobody reads");
    interrupt(&child).await;
    assert_eq!(ended(child).await.code, Some(130));
    let log = simulator.get("log").await;
    let requests = log["requests"].as_array().expect("a list");
    let answered = requests.iter().filter(|request| {
        request["status"] == 200
            && request["target"].as_str().is_some_and(|target| target.contains("no_izin"))
    });
    let stored = plain.dates().len();
    assert!((50..1_000).contains(&stored), "{stored}");
    assert_eq!(answered.count(), stored, "what was answered is stored");
    assert_eq!(plain.statistics().len(), 1);
}

#[tokio::test]
async fn the_environments_proxy_is_for_other_machines() {
    let simulator = clean(1).await;
    let odoo = FakeOdoo::start().await;
    Plain::behind(&odoo, Vec::new(), simulator.base.as_str(), |_| None);
    // It is asked for what nobody else here can find.
    let proxy = Web::start(|asked| {
        let elsewhere = asked.headers["host"] == "sicantik.invalid";
        elsewhere.then(|| Reply::ok(r#"[{"pendaftaran_id":"1","jumlah":"89"}]"#))
    })
    .await;
    let address = proxy.base().origin().ascii_serialization();
    let port = simulator.base.port().expect("a port");
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        for (url, by_proxy) in [
            (simulator.base.to_string(), false),
            (format!("http://localhost:{port}/backoffice/api"), false),
            ("http://sicantik.invalid/api".to_owned(), true),
        ] {
            let before = proxy.asked().len();
            let mut command = program(&odoo, &["doctor", "--api-url", &url]);
            command.env(variable, &address);
            let said = finished(command).await;
            assert_eq!(said.code, Some(0), "{url}: {said:?}");
            assert_eq!(proxy.asked().len() > before, by_proxy, "{url} with {variable}");
        }
    }
}

/// Presses Ctrl-C, and then does `more`; the program has to end at once, with one sentence besides
/// what it logged.
async fn gives_up(child: Child, more: impl Future<Output = ()>) {
    interrupt(&child).await;
    let pressed = Instant::now();
    more.await;
    let said = ended(child).await;
    assert!(pressed.elapsed() < Duration::from_secs(5), "{:?}: {said:?}", pressed.elapsed());
    assert_eq!(said.code, Some(130), "{said:?}");
    let own = |line: &&str| !line.contains(" WARN ") && !line.starts_with("Connector ");
    let lines: Vec<&str> = said.stderr.lines().filter(own).collect();
    let sentence = "It was interrupted before anything was asked: nothing was changed.";
    assert_eq!(lines, [format!("sicantik-sidecar: {sentence}")], "{said:?}");
}

#[tokio::test]
async fn an_interrupt_is_heard_while_odoo_is_waited_for() {
    // An Odoo that never says which it is.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("its address"));
    let odoo = FakeOdoo::start().await;
    let child = program(&odoo, &["sync", "expiry"]).env("ODOO_URL", url).spawn().expect("it runs");
    let _connection = silent.accept().await.expect("a connection");
    gives_up(child, async {}).await;

    // One that goes away under a question that is asked again.
    for (model, method) in [
        ("sicantik.permit", "fields_get"),
        ("sicantik.connector", "search_read"),
        ("sicantik.permit", "has_access"),
        ("sicantik.permit", "search_count"),
    ] {
        let odoo = FakeOdoo::start().await;
        let plain = Plain::behind(&odoo, Vec::new(), "http://127.0.0.1:9/api", move |seen| {
            (seen.model == model && seen.method == method).then_some(Answer::Drop)
        });
        let child = program(&odoo, &["sync", "expiry"]).spawn().expect("it runs");
        while odoo.seen().iter().filter(|seen| seen.method == method).count() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        gives_up(child, async {}).await;
        assert!(plain.statistics().is_empty());
    }
}

#[tokio::test]
async fn a_run_that_is_being_made_under_an_interrupt_is_taken_back() {
    for away in [true, false] {
        let simulator = clean(3).await;
        let odoo = FakeOdoo::start().await;
        let ledger = Ledger::behind_with(&odoo, simulator.permits().await, move |seen| match seen
            .method
            .as_str()
        {
            "start" => away.then_some(Answer::Drop),
            "abandon" => Some(Answer::Value(json!({ "answer": "go" }))),
            _ => None,
        });
        ledger.add(QueuedRun::of("expiry", simulator.base.as_str()).rate(100.0));
        let release = if away { Arc::default() } else { odoo.hold("start") };
        let child = program(&odoo, &["sync", "expiry"]).spawn().expect("it runs");
        let asked = |method: &str| odoo.seen().iter().filter(|seen| seen.method == method).count();
        while asked("start") < if away { 3 } else { 1 } {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Odoo's answer is on its way when the signal comes.
        let answering = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            release.notify_one();
        };
        gives_up(child, answering).await;
        assert_eq!(asked("abandon"), usize::from(!away));
        assert_eq!(simulator.requests().await, 0, "nothing was asked");
    }
}

#[tokio::test]
async fn a_run_that_is_taken_over_in_the_middle_is_no_success() {
    for method in ["record_listing", "listing_done", "remaining", "record", "finish"] {
        let simulator = clean(3).await;
        let odoo = FakeOdoo::start().await;
        let ledger = Ledger::behind(&odoo, simulator.permits().await);
        ledger.take_over_before(method);
        let run_id = ledger.add(QueuedRun::of("all", simulator.base.as_str()).rate(100.0));
        let said = finished(program(&odoo, &["sync", "all", "--json"])).await;
        assert_eq!(said.code, Some(1), "{method}: {said:?}");
        let summary = said.json();
        assert_eq!(summary["success"], false, "{method}: {said:?}");
        let error = summary["error"].as_str().expect("a sentence");
        assert!(error.contains("another worker took it over"), "{method}: {error}");
        assert!(said.stderr.contains(error), "{said:?}");
        assert_eq!(ledger.run(run_id).state, "running", "it is the other worker's to end");
    }
}

#[tokio::test]
async fn a_run_of_both_steps_comes_to_its_end() {
    let simulator = clean(3).await;
    let odoo = FakeOdoo::start().await;
    let ledger = Ledger::behind(&odoo, simulator.permits().await);
    let run_id = ledger.add(QueuedRun::of("all", simulator.base.as_str()).rate(100.0));
    let said = finished(program(&odoo, &["sync", "all", "--json"])).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let summary = said.json();
    assert_eq!((&summary["success"], &summary["found"]), (&json!(true), &json!(3)), "{summary}");
    assert_eq!(summary["listing"]["listed"], 3);
    assert_eq!(ledger.run(run_id).state, "done");
}

#[tokio::test]
async fn a_connector_may_keep_its_address_in_a_configuration() {
    let simulator = clean(3).await;
    let odoo = FakeOdoo::start().await;
    let permits = simulator.permits().await;
    let base = simulator.base.to_string();
    let config = json!([{ "id": 7, "api_url": base, "rate_limit_requests": 100 }]);
    let plain = Plain::behind(&odoo, permits, "", move |seen| {
        let value = match (seen.model.as_str(), seen.method.as_str()) {
            ("sicantik.connector", "fields_get") => json!({
                "name": {}, "config_id": { "type": "many2one", "relation": "sicantik.config" },
            }),
            ("sicantik.connector", "search_read") => {
                json!([{ "id": 1, "name": "Karo", "config_id": [7, "Production"] }])
            }
            ("sicantik.config", "read") => config.clone(),
            _ => return None,
        };
        Some(Answer::Value(value))
    });
    let finished = finished(program(&odoo, &["sync", "expiry", "--json"])).await;
    assert_eq!(finished.json()["synced"], 3, "{}", finished.stderr);
    assert_eq!(plain.dates().len(), 3);
}

#[tokio::test]
async fn an_address_on_the_command_line_is_enough() {
    let simulator = clean(3).await;
    let odoo = FakeOdoo::start().await;
    let permits = simulator.permits().await;
    let plain = Plain::behind(&odoo, permits, "", move |seen| {
        let is_question = seen.model == "sicantik.connector" && seen.method == "fields_get";
        is_question.then(|| Answer::Value(json!({ "name": {} })))
    });
    let refused = finished(program(&odoo, &["sync", "expiry"])).await;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("give it with --api-url"), "{}", refused.stderr);
    let arguments = ["sync", "expiry", "--json", "--api-url", simulator.base.as_str()];
    let finished = finished(program(&odoo, &arguments)).await;
    assert_eq!(finished.json()["synced"], 3, "{}", finished.stderr);
    assert_eq!(plain.dates().len(), 3);
}
