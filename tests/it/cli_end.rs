//! How `sync` ends where Odoo does not let it read, do or store all that it should, and when it
//! says that it was.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use sicantik_sidecar::odoo::Permit;
use sicantik_sidecar::sicantik::simulator::Options;

use crate::support::ledger::{Ledger, QueuedRun};
use crate::support::odoo::{Answer, FakeOdoo, Seen};
use crate::support::plain::Plain;
use crate::support::program::{Finished, finished, program};
use crate::support::sicantik::Simulator;
use crate::support::web::{Reply, Web};

const DENIED: Answer = Answer::Fault(403, "odoo.exceptions.AccessError", "No right");
const REVOKED: Answer = Answer::Fault(401, "werkzeug.exceptions.Unauthorized", "");

/// A SICANTIK that has one date for all, so that each batch is one write.
async fn sicantik() -> Web {
    Web::start(|asked| {
        Some(Reply::ok(match asked.target.contains("no_izin") {
            true => r#"[{"pendaftaran_id":"1","d_berlaku_izin":"2031-01-02"}]"#,
            false => r#"[{"pendaftaran_id":"1"}]"#,
        }))
    })
    .await
}

fn permits(number: i64) -> Vec<Permit> {
    (1..=number)
        .map(|id| Permit {
            id,
            permit_number: format!("503/{id}"),
            registration_id: None,
            expiry_date: None,
        })
        .collect()
}

fn is(seen: &Seen, model: &str, method: &str) -> bool {
    seen.model == model && seen.method == method
}

/// Runs `sync expiry` with further arguments.
async fn sync(odoo: &FakeOdoo, arguments: &[&str]) -> Finished {
    let all = ["sync", "expiry", "--request-rate", "200"].iter().chain(arguments);
    finished(program(odoo, &all.copied().collect::<Vec<_>>())).await
}

/// An Odoo without the addon where `rule` goes over what it would answer.
async fn plain(
    number: i64,
    rule: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
) -> (Web, FakeOdoo, Plain) {
    let web = sicantik().await;
    let odoo = FakeOdoo::start().await;
    let plain = Plain::behind(&odoo, permits(number), web.base().as_str(), rule);
    (web, odoo, plain)
}

#[tokio::test]
async fn nothing_is_asked_that_could_not_be_stored() {
    for (model, operation) in
        [("sicantik.permit", "read"), ("sicantik.permit", "write"), ("sicantik.connector", "read")]
    {
        let (web, odoo, plain) = plain(3, move |seen| {
            let asked = is(seen, model, "has_access") && seen.kwargs["operation"] == operation;
            asked.then_some(Answer::Value(json!(false)))
        })
        .await;
        let said = sync(&odoo, &[]).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        let sentence = format!("Odoo does not let `sidecar` {operation} `{model}`");
        assert!(said.stderr.contains(&sentence), "{said:?}");
        assert!(web.asked().is_empty() && plain.dates().is_empty());
        // Who only looks needs no right to write.
        assert_eq!(sync(&odoo, &["--dry-run"]).await.code, Some(0));
        assert!(!web.asked().is_empty() && plain.dates().is_empty());
    }
}

#[tokio::test]
async fn without_the_right_to_them_there_are_no_statistics() {
    let (_web, odoo, plain) = plain(3, |seen| {
        let asked = is(seen, "sicantik.connector", "has_access");
        let asked = asked && seen.kwargs["operation"] == "write";
        asked.then_some(Answer::Value(json!(false)))
    })
    .await;
    let said = sync(&odoo, &[]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("statistics stay as they are"), "{said:?}");
    assert_eq!((plain.dates().len(), plain.statistics().len()), (3, 0));
    let said = finished(program(&odoo, &["doctor"])).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("! The user may not write sicantik.connector"), "{said:?}");
}

#[tokio::test]
async fn statistics_that_cannot_be_written_hide_nothing_of_what_was_done() {
    let invalid = || Answer::Fault(422, "odoo.exceptions.ValidationError", "No.");
    for (answer, code) in [(DENIED, 2), (invalid(), 2), (Answer::Drop, 1)] {
        let (_web, odoo, plain) =
            plain(3, move |seen| is(seen, "sicantik.connector", "write").then(|| answer.clone()))
                .await;
        let said = sync(&odoo, &["--json"]).await;
        assert_eq!(said.code, Some(code), "{said:?}");
        let summary = said.json();
        assert_eq!((&summary["success"], &summary["synced"]), (&json!(false), &json!(3)));
        let error = summary["error"].as_str().expect("a sentence");
        assert!(error.starts_with("What was answered is stored, but the connector's"), "{error}");
        assert!(said.stderr.contains(error), "{said:?}");
        assert_eq!(plain.dates().len(), 3);
    }
}

#[tokio::test]
async fn only_what_was_stored_counts() {
    let batches = AtomicUsize::new(0);
    let (web, odoo, plain) = plain(600, move |seen| {
        let write = is(seen, "sicantik.permit", "write");
        (write && batches.fetch_add(1, Ordering::Relaxed) > 0).then_some(REVOKED)
    })
    .await;
    let said = sync(&odoo, &["--json"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    let stored = plain.dates().len();
    assert!((1..web.asked().len()).contains(&stored), "{stored}");
    assert_eq!(said.json()["synced"], stored);
    assert_eq!(said.json()["total"], stored);
    let statistics = plain.statistics();
    assert_eq!(statistics.len(), 1);
    assert_eq!(statistics[0]["total_expiry_synced"], 40 + stored);
}

#[tokio::test]
async fn a_run_whose_end_cannot_be_written_shows_what_it_stored() {
    let locked = Answer::Fault(422, "odoo.exceptions.ValidationError", "Locked");
    for (number, from_batch, end) in [(3, usize::MAX, locked), (600, 1, REVOKED)] {
        let web = sicantik().await;
        let odoo = FakeOdoo::start().await;
        let batches = AtomicUsize::new(0);
        let ledger = Ledger::behind_with(&odoo, permits(number), move |seen| {
            if is(seen, "sicantik.sync.run", "finish") {
                return Some(end.clone());
            }
            let batch = is(seen, "sicantik.sync.run", "record")
                && seen.kwargs["outcomes"].as_array().is_some_and(|outcomes| !outcomes.is_empty());
            (batch && batches.fetch_add(1, Ordering::Relaxed) >= from_batch).then_some(REVOKED)
        });
        let run_id = ledger.add(QueuedRun::of("expiry", web.base().as_str()).rate(200.0));
        let said = sync(&odoo, &["--json"]).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        let stored = ledger.run(run_id).outcomes.len();
        assert!(stored > 0);
        let summary = said.json();
        assert_eq!((&summary["synced"], &summary["run_id"]), (&json!(stored), &json!(run_id)));
        let error = summary["error"].as_str().expect("a sentence");
        let expected = if from_batch > 1 { "the run could not be ended" } else { "API key" };
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn permits_that_a_record_rule_hides_are_told() {
    for (kind, hidden) in [("expiry", 4), ("all", 4), ("expiry", 1), ("expiry", 0)] {
        let options = Options { permits: 8, clean: true, ..Options::default() };
        let simulator = Simulator::start(options).await;
        let odoo = FakeOdoo::start().await;
        let ledger = Ledger::behind(&odoo, simulator.permits().await);
        ledger.hide(hidden);
        let run_id = ledger.add(QueuedRun::of(kind, simulator.base.as_str()).rate(100.0));
        let said = finished(program(&odoo, &["doctor", "--no-service"])).await;
        let shown = format!("✗ Connector `Karo`: {hidden} of {} permits", 8 + hidden);
        assert_eq!(said.stdout.contains(&shown), hidden > 0, "{said:?}");
        assert_eq!(said.code, Some(i32::from(hidden > 0)), "{said:?}");

        let said = finished(program(&odoo, &["sync", kind, "--json"])).await;
        assert_eq!(said.code, Some(if hidden > 0 { 3 } else { 0 }), "{said:?}");
        assert_eq!(said.json()["found"], 8, "{said:?}");
        assert_eq!(said.json()["hidden"].as_u64().unwrap_or(0), hidden as u64, "{said:?}");
        let run = ledger.run(run_id);
        let expected =
            if hidden > 0 { ("hidden", hidden.to_string()) } else { ("", String::new()) };
        assert_eq!(
            (run.code.as_str(), run.message, run.state.as_str()),
            (expected.0, expected.1, "done")
        );
    }
}

#[tokio::test]
async fn times_are_those_of_this_machine() {
    let odoo = FakeOdoo::start().await;
    let ledger = Ledger::behind_with(&odoo, Vec::new(), |seen| {
        (seen.model == "sicantik.sync.run.line").then(|| Answer::Value(json!([])))
    });
    ledger.add(QueuedRun::of("expiry", "http://127.0.0.1:9/api"));
    for (zone, list, show) in [
        ("WIB-7", "2025-11-23 14:00", "2025-11-23 14:00:00 +07:00"),
        ("UTC0", "2025-11-23 07:00", "2025-11-23 07:00:00 +00:00"),
        ("PST8", "2025-11-22 23:00", "2025-11-22 23:00:00 -08:00"),
    ] {
        for (arguments, expected) in [(&["runs"][..], list), (&["runs", "show", "1"], show)] {
            let mut command = program(&odoo, arguments);
            command.env("TZ", zone);
            let said = finished(command).await;
            assert!(said.stdout.contains(expected), "{zone}: {said:?}");
        }
        let mut command = program(&odoo, &["runs", "--json"]);
        command.env("TZ", zone);
        assert!(finished(command).await.stdout.contains("2025-11-23T07:00:00Z"));
    }
}
