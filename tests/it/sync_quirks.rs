//! Every quirk at once, old and new: no date is missing or wrong, no permit of the listing is
//! changed wrongly, and no junk comes in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use sicantik_sidecar::odoo::Protocol;
use sicantik_sidecar::sicantik::simulator::{Format, Options};
use sicantik_sidecar::sync::listing::{Import, Imported, Ledger, Paging, import};
use sicantik_sidecar::sync::{Outcome, Reason};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::support::odoo::{Answer, FakeOdoo};
use crate::support::pipeline::{MemorySink, run_to_end, work};
use crate::support::sicantik::{Simulator, Truth, unlimited};

/// What passes by itself or does no harm. Time-outs cost paused time only.
const FAULTS: [&str; 21] = [
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
    "invalid-utf8",
];

/// The deployments, each with all faults.
fn deployments() -> [(&'static str, Options); 6] {
    let faults = FAULTS.iter().map(|kind| format!("{kind}=0.006").parse().expect("a fault"));
    let faults = faults.collect::<Vec<_>>();
    let all = || Options { permits: 2_000, seed: 5, faults: faults.clone(), ..Options::default() };
    let shapes = || Options { other_shapes: true, ..all() };
    [
        ("as documented", all()),
        ("upgraded, in other shapes", Options { upgraded: true, ..shapes() }),
        ("old", Options { old: true, received: true, ..shapes() }),
        ("raw bytes", Options { raw_bytes: true, upgraded: true, ..all() }),
        ("numbers in JSON", Options { numeric_check: true, ..shapes() }),
        (
            "raw bytes in XML alone",
            Options { raw_bytes: true, format: Format::Xml, numeric_check: true, ..all() },
        ),
    ]
}

fn expected_outcome(truth: &Truth) -> Outcome {
    let failed = |reason| Outcome::Failed { reason, detail: String::new() };
    match (truth.no_surat.trim(), truth.expected.as_str(), truth.reason.as_deref()) {
        ("", ..) | (_, _, Some("invalid_number")) => failed(Reason::InvalidNumber),
        (_, "found", _) => {
            let date = truth.expiry_date.as_deref().expect("a date that can be had");
            Outcome::Found { expiry_date: date.parse().expect("a date") }
        }
        (_, "no_date", _) => Outcome::NoDate,
        (_, "not_registered", _) => Outcome::NotRegistered,
        _ => failed(Reason::OtherRegistration),
    }
}

#[tokio::test(start_paused = true)]
async fn no_date_is_missing_or_wrong() {
    for (name, options) in deployments() {
        let simulator = Simulator::start(options).await;
        let stop = CancellationToken::new();
        let client = simulator.client(unlimited(32), &stop);
        let mut sink = MemorySink::accepting();
        let permits = simulator.permits().await;
        let ended = run_to_end(work(&permits), &client, &mut sink, &stop).await;
        assert!(ended.halt.is_none(), "{name}: {:?}", ended.halt);
        let outcomes = sink.outcomes();
        let truth = simulator.truth().await;
        assert_eq!((outcomes.len(), truth.len()), (2_000, 2_000), "{name}");
        let wrong: Vec<_> = (1..)
            .zip(&truth)
            .map(|(id, truth)| (expected_outcome(truth), without_detail(&outcomes[&id])))
            .filter(|(expected, got)| expected != got)
            .collect();
        assert_eq!(wrong, [], "{name}");
    }
}

fn without_detail(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Failed { reason, .. } => {
            Outcome::Failed { reason: *reason, detail: String::new() }
        }
        outcome => outcome.clone(),
    }
}

/// Imports the listing into an Odoo that keeps what it is told; answers that, by registration.
async fn imported(simulator: &Simulator) -> (Imported, HashMap<String, Value>) {
    let odoo = FakeOdoo::start().await;
    odoo.handle(|seen| {
        Some(Answer::Value(match seen.method.as_str() {
            "record_listing" => {
                json!({ "answer": "go", "created": seen.kwargs["rows"].as_array()?.len() })
            }
            "listing_done" => json!({ "answer": "go" }),
            "search_read" => json!([]),
            _ => return None,
        }))
    });
    let client = odoo.client(Protocol::Json2).await;
    let sicantik = simulator.client(unlimited(8), &CancellationToken::new());
    let ledger = Ledger { odoo: &client, run_id: 1, worker: "w", connector_id: 1, last_batch: 0 };
    let paging = Paging { step: 100, overlap: 10, shift: 0 };
    let job = Import { server: &sicantik, paging, ledger: Some(ledger), wake: Arc::default() };
    // Of paused time there is plenty.
    let deadline = Duration::from_secs(7_200);
    let mut nobody = |_: &Imported| {};
    let ended = tokio::time::timeout(deadline, import(job, &mut nobody)).await.expect("an end");
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    let mut stored: HashMap<String, Value> = HashMap::new();
    for seen in odoo.seen().iter().filter(|seen| seen.method == "record_listing") {
        for row in seen.kwargs["rows"].as_array().expect("rows") {
            let registration = row["registration_id"].as_str().expect("text").to_owned();
            let permit = stored.entry(registration).or_insert_with(|| json!({}));
            for (field, value) in row.as_object().expect("a row") {
                // What is empty is not said.
                if value != "" {
                    permit[field] = value.clone();
                }
            }
        }
    }
    (ended.imported, stored)
}

#[tokio::test(start_paused = true)]
async fn no_row_is_changed_wrongly_and_no_junk_comes_in() {
    for (name, options) in deployments() {
        let is_upgraded = options.upgraded;
        let simulator = Simulator::start(options).await;
        let (imported, stored) = imported(&simulator).await;
        assert!(imported.complete, "{name}: {imported:?}");
        let truth = simulator.truth().await;
        let wanted: BTreeMap<_, _> = truth
            .iter()
            .filter(|truth| truth.listed && !truth.junk)
            .map(|truth| (&truth.pendaftaran_id, truth))
            .collect();
        let junk: Vec<_> = truth
            .iter()
            .filter(|truth| truth.junk && stored.contains_key(&truth.pendaftaran_id))
            .collect();
        assert!(junk.is_empty(), "{name}: {junk:?}");
        for (registration, truth) in &wanted {
            let permit = stored.get(*registration).unwrap_or_else(|| panic!("{name}: {truth:?}"));
            for (field, is) in [
                ("permit_number", &truth.no_surat),
                ("applicant_name", &truth.n_pemohon),
                ("permit_type_name", &truth.n_perizinan),
            ] {
                let stored = permit[field].as_str().unwrap_or_default();
                assert_eq!(stored, is, "{name}: {field} of {truth:?}");
            }
            if is_upgraded {
                let date = truth.expiry_date.as_ref().map_or(json!(false), |date| json!(date));
                assert_eq!(permit["expiry_date"], date, "{name}: {truth:?}");
            }
        }
        let nameless = wanted.values().filter(|truth| truth.nameless).count() as u64;
        assert_eq!((stored.len(), imported.listing.nameless), (wanted.len(), nameless), "{name}");
    }
}
