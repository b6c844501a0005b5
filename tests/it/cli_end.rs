//! How `sync` ends where Odoo does not let it do or store all that it should.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use sicantik_sidecar::odoo::Permit;

use crate::support::ledger::{Ledger, QueuedRun};
use crate::support::odoo::{Answer, FakeOdoo, Seen};
use crate::support::plain::Plain;
use crate::support::program::{Finished, finished, program};
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
