//! The service at work: it finds Odoo, claims runs, works on them and gives them back.

use serde_json::json;
use sicantik_sidecar::odoo::Protocol;
use sicantik_sidecar::sicantik::simulator::Options;
use tokio::net::TcpListener;
use tokio::time::Duration;

use crate::support::ledger::{Ledger, QueuedRun};
use crate::support::odoo::{Answer, FakeOdoo, settings};
use crate::support::service::{Service, until};
use crate::support::sicantik::Simulator;
use crate::support::web::{Reply, Web};

/// A simulator, and an Odoo with a ledger about its permits.
async fn neighbours(permits: u32, latency_ms: u64) -> (Simulator, FakeOdoo, Ledger) {
    let latency = Duration::from_millis(latency_ms);
    let options = Options { permits, latency, clean: true, ..Options::default() };
    let simulator = Simulator::start(options).await;
    let odoo = FakeOdoo::start().await;
    let ledger = Ledger::behind(&odoo, simulator.permits().await);
    (simulator, odoo, ledger)
}

async fn serving(odoo: &FakeOdoo) -> Service {
    Service::start(odoo.settings(Protocol::Json2).url.as_str()).await
}

async fn until_in(ledger: &Ledger, run: i64, state: &str) {
    until(&format!("run {run} is {state}"), async || ledger.run(run).state == state).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_is_claimed_worked_on_and_finished() {
    let (simulator, odoo, ledger) = neighbours(120, 5).await;
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()).rate(1_000.0));
    let check = ledger.add(QueuedRun::of("check", simulator.base.as_str()));
    let refused = ledger.add(QueuedRun::of("check", simulator.base.as_str()).refused(1));
    let unknown = ledger.add(QueuedRun::of("paint", simulator.base.as_str()));
    let service = serving(&odoo).await;
    until_in(&ledger, run, "done").await;
    until_in(&ledger, check, "done").await;
    // The run's lines say why; the run itself is done.
    until_in(&ledger, refused, "done").await;
    until_in(&ledger, unknown, "failed").await;
    let done = ledger.run(run);
    assert_eq!(done.outcomes.len(), 120);
    assert!(done.outcomes.iter().all(|one| one["outcome"] == "found"), "{:?}", done.outcomes);
    assert_eq!(done.message, "");
    let sentence = "This sidecar does not know runs of the kind \"paint\": update it.";
    assert_eq!(ledger.run(unknown).message, sentence);
    let health = service.health().await;
    assert_eq!((health["status"].as_str(), &health["running"]), (Some("ok"), &json!([])));
    assert!(health["last_claim_at"].is_string() && health["last_look_at"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_sicantik_cannot_serve_fails_with_a_sentence() {
    let (_simulator, odoo, ledger) = neighbours(1, 0).await;
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = format!("http://{}/api", free.local_addr().expect("its address"));
    drop(free);
    let cases = [
        (nobody.as_str(), "away", "no connection"),
        ("", "", "is empty"),
        ("ftp://127.0.0.1/", "", "is not an http address"),
    ];
    let _service = serving(&odoo).await;
    for (address, code, part) in cases {
        let run = ledger.add(QueuedRun::of("expiry", address));
        until_in(&ledger, run, "failed").await;
        let failed = ledger.run(run);
        assert_eq!(failed.code, code);
        assert!(failed.message.contains(part), "{}", failed.message);
    }
}

#[tokio::test(start_paused = true)]
async fn an_odoo_that_is_away_is_waited_for() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("its address").to_string();
    drop(free);
    let service = Service::start(&format!("http://{address}")).await;
    until("it says that Odoo is away", async || service.health().await["problem"].is_string())
        .await;
    assert_eq!(service.health().await["status"], "waiting");
    let refused = service.call("sync.list", json!({})).await;
    assert_eq!(refused["error"]["code"], 1001);
    let simulator =
        Simulator::start(Options { permits: 20, clean: true, ..Options::default() }).await;
    let odoo = FakeOdoo::start_at(&address).await;
    let ledger = Ledger::behind(&odoo, simulator.permits().await);
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()).rate(1_000.0));
    until_in(&ledger, run, "done").await;
    let health = service.health().await;
    assert_eq!((health["status"].as_str(), health.get("problem")), (Some("ok"), None));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_is_said_and_tried_again() {
    let (simulator, odoo, ledger) = neighbours(5, 0).await;
    for _ in 0..3 {
        odoo.login(Answer::Fault(401, "odoo.exceptions.AccessDenied", "Access Denied"));
    }
    let service = serving(&odoo).await;
    until("it says so", async || service.health().await["problem"].is_string()).await;
    let problem = service.health().await["problem"].clone();
    assert!(problem.as_str().expect("text").contains("expired or revoked"), "{problem}");
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()).rate(1_000.0));
    until_in(&ledger, run, "done").await;
    assert_eq!(service.health().await.get("problem"), None);
}

#[tokio::test(start_paused = true)]
async fn a_wake_starts_a_run_at_once_and_a_stop_is_heard_at_once() {
    let (simulator, odoo, ledger) = neighbours(100, 100).await;
    let service = serving(&odoo).await;
    until("it is connected", async || service.health().await["last_look_at"].is_string()).await;
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()));
    let start = tokio::time::Instant::now();
    service.call("sync.wake", json!({})).await;
    until("permits are recorded", async || !ledger.run(run).outcomes.is_empty()).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(service.health().await["running"], json!([run]));
    ledger.cancel(run);
    let start = tokio::time::Instant::now();
    service.call("sync.wake", json!({})).await;
    until_in(&ledger, run, "cancelled").await;
    assert!(start.elapsed() < Duration::from_millis(2_500), "{:?}", start.elapsed());
    let recorded = ledger.run(run).outcomes.len();
    assert_eq!(simulator.requests().await, recorded as u64 + 1, "every answer was kept");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_worked_on_here_is_not_claimed_again() {
    let (simulator, odoo, ledger) = neighbours(200, 100).await;
    let service = serving(&odoo).await;
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()));
    until("permits are recorded", async || !ledger.run(run).outcomes.is_empty()).await;
    // Odoo was away for longer than the lease; the service looks for work before the run reports.
    ledger.lapse(run);
    service.call("sync.wake", json!({})).await;
    until_in(&ledger, run, "done").await;
    let done = ledger.run(run);
    assert_eq!((done.attempts, done.outcomes.len()), (1, 200));
    assert_eq!(simulator.requests().await, 201, "no permit was asked for twice");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_another_worker_took_over_is_left_alone() {
    for method in ["record_listing", "listing_done", "remaining", "record", "finish"] {
        let (simulator, odoo, ledger) = neighbours(60, 0).await;
        ledger.take_over_before(method);
        let run = ledger.add(QueuedRun::of("all", simulator.base.as_str()).rate(1_000.0));
        let service = serving(&odoo).await;
        until("it has met it", async || odoo.seen().iter().any(|seen| seen.method == method)).await;
        until("it has ended", async || service.health().await["running"] == json!([])).await;
        assert_eq!(ledger.run(run).state, "running", "it is the other worker's to end");
        let finished = odoo.seen().iter().any(|seen| seen.method == "finish");
        assert_eq!(finished, method == "finish", "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_of_the_connection_waits_behind_no_run() {
    let (simulator, odoo, ledger) = neighbours(200, 100).await;
    let service = serving(&odoo).await;
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()));
    until("permits are recorded", async || !ledger.run(run).outcomes.is_empty()).await;
    let start = tokio::time::Instant::now();
    let answer = service.call("sicantik.test", json!({ "connector_id": 1 })).await;
    assert_eq!(answer["result"]["format"], "json", "{answer}");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(ledger.run(run).state, "running");
}

#[tokio::test(start_paused = true)]
async fn what_is_being_worked_on_is_given_back_at_the_end() {
    let (simulator, odoo, ledger) = neighbours(500, 100).await;
    let run = ledger.add(QueuedRun::of("expiry", simulator.base.as_str()));
    let mut service = serving(&odoo).await;
    until("permits are recorded", async || !ledger.run(run).outcomes.is_empty()).await;
    service.stop().await;
    let given_back = ledger.run(run);
    assert_eq!((given_back.state.as_str(), given_back.released), ("released", 1));
    assert_eq!(simulator.requests().await, given_back.outcomes.len() as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn two_runs_for_one_host_share_its_gate() {
    let (_simulator, odoo, ledger) = neighbours(60, 0).await;
    let web = Web::start(|_| Some(Reply::status(404, r#"{"error":"Unknown method."}"#))).await;
    for _ in 0..2 {
        ledger.add(QueuedRun::of("expiry", web.base().as_str()));
    }
    let _service = serving(&odoo).await;
    until_in(&ledger, 1, "done").await;
    until_in(&ledger, 2, "done").await;
    let times: Vec<_> = web.asked().iter().map(|one| one.at).collect();
    assert!(times.len() > 120, "{}", times.len());
    for window in times.windows(11) {
        let span = window[10] - window[0];
        assert!(span >= Duration::from_secs(1), "eleven within {span:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_hears_soon_that_odoo_went_away() {
    let (_simulator, odoo, _ledger) = neighbours(1, 0).await;
    let service = serving(&odoo).await;
    until("it is connected", async || service.health().await["last_look_at"].is_string()).await;
    drop(odoo);
    let start = tokio::time::Instant::now();
    let refused = service.call("sync.list", json!({})).await;
    assert_eq!(refused["error"]["code"], 1001, "{refused}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_service_is_for_this_machine_alone() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ended = runtime.block_on(async {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
        let config = sicantik_sidecar::config::Config::load(&Default::default(), |_| None);
        let settings = settings("http://127.0.0.1:1", Protocol::Json2);
        let options = sicantik_sidecar::service::Options {
            config: config.expect("defaults"),
            odoo: Box::new(move || Ok(settings.clone())),
            token: "0123456789abcdef".into(),
        };
        sicantik_sidecar::service::serve(options, listener, std::future::ready(())).await
    });
    assert!(ended.is_err());
}
