//! The pipeline against the simulator's truth, with all its quirks and all its troubles.

use sicantik_sidecar::odoo::Permit;
use sicantik_sidecar::outbound::Limits;
use sicantik_sidecar::sicantik::simulator::Options;
use sicantik_sidecar::sync::{self, Ended, Halt, Outcome, PermitOutcome, Reason};
use tokio_util::sync::CancellationToken;

use crate::support::pipeline::{MemorySink, run_to_end, work};
use crate::support::sicantik::{Simulator, Truth, client, unlimited};
use crate::support::web::{Reply, Web};

/// All kinds of trouble that pass, and those that do not.
const PASSING: [&str; 22] = [
    "error-500",
    "error-502",
    "error-503",
    "error-429",
    "error-429-date",
    "error-408",
    "maintenance-503",
    "maintenance-200",
    "database-500",
    "database-200",
    "empty",
    "php-warning",
    "byte-order-mark",
    "script",
    "gzip",
    "deflate",
    "short",
    "broken",
    "truncated",
    "timeout",
    "slow",
    "invalid-utf8",
];
const FINAL: [&str; 4] = ["redirect", "oversized", "challenge-403", "words-401"];

async fn run(
    permits: Vec<Permit>,
    simulator: &Simulator,
    limits: Limits,
) -> (Ended, MemorySink<'static>) {
    let stop = CancellationToken::new();
    let client = simulator.client(limits, &stop);
    let mut sink = MemorySink::accepting();
    let ended = run_to_end(work(&permits), &client, &mut sink, &stop).await;
    (ended, sink)
}

/// What the truth expects, as `outcome` or `failed/reason`.
fn expected(truth: &Truth) -> String {
    match (truth.no_surat.trim().is_empty(), truth.expected.as_str()) {
        (true, _) => "failed/invalid_number".to_owned(),
        (_, "found") => truth.expiry_date.clone().expect("a date that can be had"),
        (_, "failed") => format!("failed/{}", truth.reason.as_deref().unwrap_or("?")),
        (_, other) => other.to_owned(),
    }
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Found { expiry_date } => expiry_date.to_string(),
        Outcome::NoDate => "no_date".to_owned(),
        Outcome::NotRegistered => "not_registered".to_owned(),
        Outcome::Failed { reason, .. } => format!("failed/{reason}"),
    }
}

/// The permits whose outcome is not what the truth expects.
fn wrong(truth: &[Truth], sink: &MemorySink<'_>) -> Vec<(String, String)> {
    let outcomes = sink.outcomes();
    assert_eq!(outcomes.len(), truth.len(), "each permit has an outcome");
    (1..)
        .zip(truth)
        .map(|(id, truth)| (expected(truth), shown(&outcomes[&id])))
        .filter(|(expected, got)| expected != got)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_quirk_ends_as_the_truth_has_it() {
    for old in [false, true] {
        let simulator =
            Simulator::start(Options { permits: 600, seed: 7, old, ..Options::default() }).await;
        let (ended, sink) = run(simulator.permits().await, &simulator, unlimited(32)).await;
        assert!(ended.halt.is_none(), "{:?}", ended.halt);
        let truth = simulator.truth().await;
        assert_eq!(wrong(&truth, &sink), [], "old: {old}");
        let kinds: std::collections::BTreeSet<_> =
            truth.iter().map(|truth| truth.expected.as_str()).collect();
        assert_eq!(kinds.len(), 4, "the permits are not of every kind: {kinds:?}");
        assert_eq!(ended.progress.counts.answered(), 600);
        let log = simulator.get("log/summary").await;
        assert_eq!(log["requests"], ended.progress.requests);
        // Those on their way when the first learns that there is no such method ask in vain too.
        let by_number = log["endpoints"]["cekperizinanizin"].as_u64().expect("a number");
        assert_eq!(by_number <= 32, old, "{log}");
    }
}

async fn with_faults(kinds: &[&str], share: f64) -> (Vec<Truth>, MemorySink<'static>, Ended) {
    let faults = kinds.iter().map(|kind| format!("{kind}={share}").parse().expect("a fault"));
    let options = Options { permits: 300, seed: 3, faults: faults.collect(), ..Options::default() };
    let simulator = Simulator::start(options).await;
    let (ended, sink) = run(simulator.permits().await, &simulator, unlimited(32)).await;
    let log = simulator.get("log/summary").await;
    for kind in kinds {
        assert!(log["faults"][kind].as_u64() > Some(0), "{kind} was not met: {log}");
    }
    (simulator.truth().await, sink, ended)
}

#[tokio::test(start_paused = true)]
async fn no_passing_trouble_costs_a_date() {
    let (truth, sink, ended) = with_faults(&PASSING, 0.015).await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    assert_eq!(wrong(&truth, &sink), []);
    assert!(ended.progress.retries > 50, "{:?}", ended.progress);
}

#[tokio::test(start_paused = true)]
async fn no_trouble_at_all_writes_a_wrong_date() {
    let kinds: Vec<&str> = PASSING.into_iter().chain(FINAL).collect();
    let (truth, sink, ended) = with_faults(&kinds, 0.021).await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    for (expected, got) in wrong(&truth, &sink) {
        let trouble = ["failed/timeout", "failed/unavailable", "failed/unreadable"];
        assert!(trouble.contains(&got.as_str()), "{got} instead of {expected}");
    }
    let wrong = wrong(&truth, &sink).len();
    assert!((1..150).contains(&wrong), "{wrong} of 300 failed");
}

fn two(number: &str) -> Vec<Permit> {
    ["0001", number]
        .into_iter()
        .zip(1..)
        .map(|(number, id)| Permit {
            id,
            permit_number: number.to_owned(),
            registration_id: None,
            expiry_date: None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_met_a_passing_trouble_is_asked_once_more_at_the_end() {
    // `0001` in base64 is MDAwMQ==. It fails for the tries of the first pass, or of both; between
    // them the server is asked whether it is there.
    for (troubles, requests, outcome) in
        [(3, 6, "2031-01-02"), (5, 8, "2031-01-02"), (99, 8, "failed/unavailable")]
    {
        let left = std::sync::Mutex::new(troubles);
        let web = Web::start(move |asked| {
            let mut left = left.lock().expect("not poisoned");
            if asked.target.contains("MDAwMQ") && *left > 0 {
                *left -= 1;
                return Some(Reply::status(503, ""));
            }
            Some(Reply::ok(r#"[{"pendaftaran_id":"1","d_berlaku_izin":"2031-01-02"}]"#))
        })
        .await;
        let stop = CancellationToken::new();
        let client = client(&web.base(), unlimited(4), &stop);
        let mut sink = MemorySink::accepting();
        let ended = run_to_end(work(&two("0002")), &client, &mut sink, &stop).await;
        assert!(ended.halt.is_none(), "{:?}", ended.halt);
        let answers: Vec<&PermitOutcome> = sink.recorded().collect();
        assert_eq!((answers[0].permit_id, answers[1].permit_id), (2, 1), "the other comes first");
        assert_eq!(shown(&answers[1].outcome), outcome);
        assert_eq!(web.asked().len(), requests);
        assert_eq!(ended.progress.requests, requests as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_that_cannot_be_asked_for_costs_no_request() {
    for number in ["", "  ", &"x".repeat(1_025)] {
        let web = Web::start(|_| Some(Reply::ok("[]"))).await;
        let stop = CancellationToken::new();
        let client = client(&web.base(), unlimited(4), &stop);
        let permit = two(number).remove(1);
        let outcome = sync::ask(&client, &permit).await.expect("an outcome");
        assert!(matches!(outcome, Outcome::Failed { reason: Reason::InvalidNumber, .. }));
        assert!(web.asked().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_everything_is_left_alone() {
    let web = Web::start(|_| Some(Reply::status(403, "<html>Forbidden</html>"))).await;
    let stop = CancellationToken::new();
    let client = client(&web.base(), unlimited(4), &stop);
    let permits: Vec<Permit> = (1..=100).map(|id| Permit { id, ..two("0002").remove(0) }).collect();
    let mut sink = MemorySink::accepting();
    let ended = run_to_end(work(&permits), &client, &mut sink, &stop).await;
    assert!(matches!(ended.halt, Some(Halt::Sicantik(_))), "{:?}", ended.halt);
    let asked = web.asked().len();
    assert!((20..40).contains(&asked), "{asked} requests");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_only_nonsense_is_left_alone() {
    const PAGE: &str = "<html><body>Perbaikan</body></html>";
    for (ping, gone) in [(PAGE, true), (r#"[{"jumlah":"89"}]"#, false)] {
        let web = Web::start(move |asked| {
            let nonsense = r#"[{"pendaftaran_id":{}}]"#;
            let is_ping = asked.target.ends_with("jumlahPerizinan");
            Some(Reply::ok(if is_ping { ping } else { nonsense }))
        })
        .await;
        let stop = CancellationToken::new();
        let client = client(&web.base(), Limits { rate: Some(10.0), max_in_flight: 4 }, &stop);
        // Every other has a number for which nobody is asked, which says nothing of the server.
        let permits: Vec<Permit> =
            (1..=1_000).map(|id| Permit { id, ..two("").remove((id % 2) as usize) }).collect();
        let mut sink = MemorySink::accepting();
        let ended = run_to_end(work(&permits), &client, &mut sink, &stop).await;
        let asked = web.asked().len();
        if gone {
            assert!(matches!(ended.halt, Some(Halt::Sicantik(_))), "{:?}", ended.halt);
            assert!((20..150).contains(&asked), "{asked} requests");
        } else {
            assert!(ended.halt.is_none(), "{:?}", ended.halt);
            assert_eq!(ended.progress.counts.failed, 1_000);
            assert!((510..=525).contains(&asked), "{asked} requests, 25 of them pings at most");
        }
    }
}
