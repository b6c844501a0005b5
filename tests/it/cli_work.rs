//! The program at work beside a fake Odoo.

use std::io::Read;
use std::process::Stdio;

use sicantik_sidecar::sicantik::simulator::Options;
use tokio::time::Duration;

use crate::support::odoo::FakeOdoo;
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
