//! The ledger of runs: what is sent to it and what its answers become.

use chrono::NaiveDate;
use serde_json::{Value, json};
use sicantik_sidecar::odoo::run::{
    EndCode, Ending, Kind, Lease, ListingProgress, ProgressReport, Recorded, Reply, State, Trigger,
    Unlisted,
};
use sicantik_sidecar::odoo::{Error, Protocol, run};
use sicantik_sidecar::outbound::Traffic;
use sicantik_sidecar::sync::{LedgerSink, Outcome, PermitOutcome, Progress, Reason, Sink};

use crate::support::odoo::{Answer, BOTH, FakeOdoo};
use crate::support::within;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn claim() -> Value {
    json!({
        "run_id": 12, "kind": "expiry", "trigger": "button", "attempt": 2, "max_permits": 0,
        "include_not_due": false, "refresh_older_than": 0, "total": 500, "last_batch": 3,
        "answered": 300,
        "counts": { "found": 250, "no_date": 30, "not_registered": 15, "failed": 5 },
        "started_at": "2025-11-23 07:00:00", "domains": [[["status", "=", "active"]]],
        "connector": {
            "id": 1, "name": "Karo", "api_url": "https://a/api", "request_rate": 10.0,
            "request_timeout": 10.0, "max_in_flight": 32, "page_size": 100, "tz": "Asia/Jakarta",
        },
    })
}

#[tokio::test]
async fn a_run_is_claimed_worked_on_and_finished() {
    for protocol in BOTH {
        let odoo = FakeOdoo::start().await;
        let client = odoo.client(protocol).await;
        odoo.answers([
            Answer::Value(json!(false)),
            Answer::Value(claim()),
            Answer::Value(json!({ "answer": "stop", "rejected": 1 })),
            Answer::Value(json!({ "answer": "go", "counts": { "found": 7, "failed": 1 } })),
            Answer::Value(json!({ "answer": "lost" })),
        ]);
        assert_eq!(within(run::claim(&client, "w", 30, &[])).await.expect("an answer"), None);
        let claimed = within(run::claim(&client, "w", 30, &[12])).await.expect("an answer");
        let claimed = claimed.expect("a run");
        assert_eq!((claimed.run_id, claimed.last_batch, claimed.answered), (12, 3, 300));
        assert_eq!((claimed.max_permits, claimed.include_not_due), (None, false));
        assert_eq!(claimed.counts["no_date"], 30);
        assert_eq!(claimed.kind, Kind::Expiry);
        assert_eq!(claimed.connector.max_in_flight, Some(32));

        let progress = ProgressReport::default();
        let recorded = within(run::record(&client, 12, "w", 0, &[], progress)).await;
        assert_eq!(recorded.expect("an answer"), Reply::Stop(Recorded { rejected: 1 }));
        let ending = Ending {
            state: State::Failed,
            code: Some(EndCode::SicantikStopped),
            message: "time-out",
            progress,
        };
        let finished = within(run::finish(&client, 12, "w", ending)).await.expect("an answer");
        let counts = [("failed".to_owned(), 1), ("found".to_owned(), 7)].into();
        assert_eq!(finished, Reply::Go(counts));
        let finish = &odoo.seen()[3].kwargs;
        assert_eq!(
            (&finish["state"], &finish["code"]),
            (&json!("failed"), &json!("sicantik_stopped"))
        );
        assert_eq!(within(run::release(&client, 12, "w")).await.expect("an answer"), Reply::Lost);
    }
}

#[tokio::test]
async fn outcomes_are_recorded_by_their_labels() {
    let failed = Outcome::Failed { reason: Reason::OtherRegistration, detail: "two rows".into() };
    let found = Outcome::Found { expiry_date: day("2026-01-31") };
    let outcomes: Vec<_> = (5..)
        .zip([found, Outcome::NoDate, Outcome::NotRegistered, failed])
        .map(|(permit_id, outcome)| PermitOutcome {
            permit_id,
            permit_number: format!("503/{permit_id}"),
            registration_id: (permit_id != 6).then(|| "0001".to_owned()),
            outcome,
        })
        .collect();
    for protocol in BOTH {
        let odoo = FakeOdoo::start().await;
        let client = odoo.client(protocol).await;
        odoo.answers([Answer::Value(json!({ "answer": "stop", "rejected": 1 }))]);
        let earlier = Traffic { requests: 7, retries: 2 };
        let mut sink = LedgerSink::new(&client, 12, "w", 3, earlier);
        let progress = Progress { requests: 3, ..Progress::default() };
        let recorded = within(sink.record(&outcomes, &progress)).await.expect("an answer");
        assert_eq!(recorded, Reply::Stop(Recorded { rejected: 1 }));
        assert_eq!(
            odoo.seen()[0].kwargs,
            json!({
                "run_id": 12, "worker": "w", "batch": 4,
                "progress": { "rate": 0.0, "requests": 10, "retries": 2 },
                "outcomes": [
                    { "permit_id": 5, "permit_number": "503/5", "registration_id": "0001",
                      "outcome": "found", "expiry_date": "2026-01-31" },
                    { "permit_id": 6, "permit_number": "503/6", "registration_id": null,
                      "outcome": "no_date" },
                    { "permit_id": 7, "permit_number": "503/7", "registration_id": "0001",
                      "outcome": "not_registered" },
                    { "permit_id": 8, "permit_number": "503/8", "registration_id": "0001",
                      "outcome": "failed", "reason": "other_registration",
                      "detail": "two rows" },
                ],
            })
        );
    }
}

#[tokio::test]
async fn starting_says_who_is_there_already() {
    let odoo = FakeOdoo::start().await;
    let client = odoo.client(Protocol::Jsonrpc).await;
    let mine = json!({
        "run_id": 12, "created": true, "state": "running", "trigger": "cli", "worker": "w",
        "requested_by": "Rina", "run": claim(),
    });
    let theirs = json!({
        "run_id": 12, "created": false, "state": "queued", "trigger": "button", "worker": false,
        "requested_by": "Rina", "run": false,
    });
    odoo.answers([Answer::Value(mine), Answer::Value(theirs)]);
    let selection = run::Selection { max_permits: Some(10), ..run::Selection::default() };
    let lease = Some(Lease { worker: "w", seconds: 30 });
    let start = || run::start(&client, 1, Kind::Expiry, Trigger::Cli, lease, &selection);
    let started = within(start()).await.expect("an answer");
    assert!(started.created && started.run.is_some());
    let started = within(start()).await.expect("an answer");
    assert!(!started.created && started.run.is_none() && started.worker.is_none());
    assert_eq!(
        odoo.seen()[0].kwargs,
        json!({
            "connector_id": 1, "kind": "expiry", "trigger": "cli", "worker": "w",
            "lease_seconds": 30, "max_permits": 10, "include_not_due": false,
            "refresh_older_than": null, "permit_ids": null,
        })
    );
}

#[tokio::test]
async fn runs_and_their_failures_are_listed_as_odoo_writes_them() {
    let odoo = FakeOdoo::start().await;
    let client = odoo.client(Protocol::Json2).await;
    odoo.answers([
        Answer::Value(json!([{
            "id": 12, "connector_id": [1, "Karo"], "kind": "expiry", "state": "running",
            "trigger": "cron", "user_id": false, "total": 500, "found_count": 250,
            "no_date_count": 30, "not_registered_count": 15, "failed_count": 5, "rate": 9.5,
            "eta_seconds": 20, "duration": 0.0, "cancel_requested": true, "attempt": 1,
            "worker": false, "started_at": "2025-11-23 07:00:00", "finished_at": false,
            "message": false,
        }])),
        Answer::Value(json!([])),
        Answer::Value(json!([
            { "id": 8, "permit_name": "503/1", "reason": "timeout", "detail": false },
        ])),
    ]);
    let runs = within(run::list(&client, 20)).await.expect("a list");
    assert_eq!((runs[0].connector.as_deref(), runs[0].found), (Some("Karo"), 250));
    assert_eq!((runs[0].requested_by.as_deref(), runs[0].finished_at), (None, None));
    assert!(runs[0].cancel_requested && runs[0].message.is_empty());
    assert_eq!(within(run::read(&client, 99)).await.expect("an answer"), None);
    let failures = within(run::failures(&client, 12, 7, 50)).await.expect("a list");
    assert_eq!((failures[0].permit_number.as_str(), failures[0].detail.as_str()), ("503/1", ""));
    let asked = &odoo.seen()[2].kwargs["domain"];
    assert_eq!(asked, &json!([["run_id", "=", 12], ["id", ">", 7]]));
}

#[tokio::test]
async fn whoever_holds_a_run_is_told_to_go_on_to_stop_or_that_it_is_lost() {
    for protocol in BOTH {
        for word in ["go", "stop", "lost"] {
            let odoo = FakeOdoo::start().await;
            let client = odoo.client(protocol).await;
            odoo.handle(move |_| {
                Some(Answer::Value(json!({
                    "answer": word, "rejected": 0, "domains": [[]], "total": 1, "limit": 0,
                    "counts": {}, "expired": 0, "refused": 0,
                })))
            });
            let (client, id, w) = (&client, 12, "w");
            let progress = ProgressReport::default();
            let ending = Ending { state: State::Done, code: None, message: "", progress };
            let unlisted = Unlisted::default();
            let listing = ListingProgress::default();
            // The same three for each method, whatever else it answers.
            fn word_of<T>(reply: Result<Reply<T>, Error>) -> &'static str {
                match reply.expect("an answer") {
                    Reply::Go(_) => "go",
                    Reply::Stop(_) => "stop",
                    Reply::Lost => "lost",
                }
            }
            let words = within(async {
                [
                    word_of(run::record(client, id, w, 1, &[], progress).await),
                    word_of(run::record_listing(client, id, w, 1, &[], listing).await),
                    word_of(run::listing_done(client, id, w, true, &unlisted).await),
                    word_of(run::remaining(client, id, w).await),
                    word_of(run::finish(client, id, w, ending).await),
                    word_of(run::release(client, id, w).await),
                    word_of(run::abandon(client, id, w).await),
                    word_of(run::check(client, id, w).await),
                ]
            })
            .await;
            assert_eq!(words, [word; 8]);
            let seen = odoo.seen();
            assert!(
                seen.iter().all(|seen| seen.kwargs["run_id"] == 12 && seen.kwargs["worker"] == "w")
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_none_of_these_is_an_error() {
    let odoo = FakeOdoo::start().await;
    let client = odoo.client(Protocol::Json2).await;
    for answer in [json!({ "answer": "continue" }), json!({ "answer": "ok" }), json!({})] {
        odoo.answers([Answer::Value(answer.clone())]);
        let reply = within(run::release(&client, 12, "w")).await;
        assert!(matches!(reply, Err(Error::Unreadable { .. })), "{answer}: {reply:?}");
    }
}

#[tokio::test]
async fn a_run_of_an_unknown_kind_is_claimed_to_say_so() {
    let odoo = FakeOdoo::start().await;
    let client = odoo.client(Protocol::Json2).await;
    let mut unknown = claim();
    unknown["kind"] = json!("paint");
    odoo.answers([Answer::Value(unknown)]);
    let claimed = within(run::claim(&client, "w", 30, &[])).await.expect("an answer");
    let claimed = claimed.expect("a run");
    let error = claimed.kind.known().expect_err("it is unknown");
    assert!(error.to_string().contains("does not know runs of the kind \"paint\""), "{error}");
    assert_eq!(claimed.kind.to_string(), "paint");
}
