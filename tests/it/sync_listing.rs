//! The listing: read to its end and no further, in parts where a page hangs, and whole although it
//! moves.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use sicantik_sidecar::odoo::Permit;
use sicantik_sidecar::sicantik::simulator::Options;
use sicantik_sidecar::sync::listing::{
    Import, ImportEnded, PageRead, Paging, Swept, import, sweep,
};
use sicantik_sidecar::sync::{Halt, ListingUse, Outcome, Work};
use tokio::sync::mpsc;
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::support::pipeline::{MemorySink, run_to_end, work};
use crate::support::sicantik::{Simulator, client, unlimited};
use crate::support::web::{Reply, Web};
use crate::support::within;

const PAGING: Paging = Paging { step: 100, overlap: 10, shift: 0 };

async fn listing(options: Options) -> Simulator {
    Simulator::start(options).await
}

/// Sweeps once; answers how it ended, and the registrations that were seen.
async fn swept(
    simulator: &Simulator,
    paging: Paging,
    expected_end: Option<u32>,
) -> (Swept, BTreeSet<String>) {
    let client = simulator.client(unlimited(4), &CancellationToken::new());
    let (sender, mut pages) = mpsc::channel::<PageRead>(2);
    let sweeping = async move { sweep(&client, paging, expected_end, &sender).await };
    let receiving = async {
        let mut seen = BTreeSet::new();
        while let Some(page) = pages.recv().await {
            seen.extend(page.rows.into_iter().map(|row| row.registration_id));
        }
        seen
    };
    let (end, seen) = within(async { tokio::join!(sweeping, receiving) }).await;
    (end.expect("a whole sweep"), seen)
}

async fn imported(simulator: &Simulator) -> ImportEnded {
    imported_as(simulator, PAGING).await
}

async fn imported_as(simulator: &Simulator, paging: Paging) -> ImportEnded {
    let client = simulator.client(unlimited(8), &CancellationToken::new());
    let job = Import { server: &client, paging, ledger: None, wake: Arc::default() };
    // Of paused time there is plenty.
    tokio::time::timeout(Duration::from_secs(7_200), import(job, &mut |_| {}))
        .await
        .expect("an end")
}

#[tokio::test(start_paused = true)]
async fn a_sweep_ends_at_the_end_whatever_was_expected() {
    let simulator = listing(Options { permits: 450, clean: true, ..Options::default() }).await;
    let all: BTreeSet<String> =
        simulator.truth().await.into_iter().map(|truth| truth.pendaftaran_id).collect();
    for expected_end in [None, Some(450), Some(200), Some(0), Some(4_000)] {
        let (end, seen) = swept(&simulator, PAGING, expected_end).await;
        assert_eq!(end, Swept::Whole { end: 450 }, "{expected_end:?}");
        assert_eq!(seen, all, "{expected_end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_end_costs_no_request_behind_it() {
    let latency = Duration::from_secs(2);
    let simulator =
        listing(Options { permits: 450, clean: true, latency, ..Options::default() }).await;
    swept(&simulator, PAGING, Some(450)).await;
    assert_eq!(simulator.requests().await, 6);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_missing_although_it_moves() {
    for seed in 1..=8 {
        let schedule = ["2:add=120", "3:swap=60", "6:add=40", "9:swap=60"]
            .map(|change| change.parse().expect("a change"))
            .to_vec();
        let options = Options { permits: 700, seed, schedule, ..Options::default() };
        let simulator = listing(options).await;
        let ended = imported(&simulator).await;
        assert!(ended.halt.is_none(), "{:?}", ended.halt);
        let imported = ended.imported;
        let summary = simulator.get("truth/summary").await;
        let expected = summary["listed"].as_u64().expect("a number")
            - summary["junk"].as_u64().expect("a number");
        assert!(imported.complete, "seed {seed}");
        assert_eq!(imported.listing.listed, expected, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_between_two_pages_is_found_by_the_next_sweep() {
    // Rows stand further off their places than pages overlap, in the same way each time the same
    // page is asked for.
    let paging = Paging { step: 30, overlap: 2, shift: 0 };
    let mut fell = 0;
    for seed in 1..=6 {
        let simulator =
            listing(Options { permits: 700, seed, shuffle: 8, ..Options::default() }).await;
        let (_, once) = swept(&simulator, paging, None).await;
        let (_, again) = swept(&simulator, paging, None).await;
        assert_eq!(once, again, "seed {seed}");
        let summary = simulator.get("truth/summary").await;
        fell += summary["listed"].as_u64().expect("a number") - once.len() as u64;
        let imported = imported_as(&simulator, paging).await.imported;
        let junk = summary["junk"].as_u64().expect("a number");
        assert_eq!(imported.listing.listed + junk, summary["listed"], "seed {seed}");
        assert!(imported.complete);
    }
    assert!(fell > 0, "no permit fell between two pages");
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_causes_no_time_outs() {
    let latency = Duration::from_secs(1);
    let simulator =
        listing(Options { permits: 900, clean: true, latency, ..Options::default() }).await;
    let client = simulator.client(unlimited(6), &CancellationToken::new());
    let (sender, mut pages) = mpsc::channel::<PageRead>(1);
    let gate = client.clone();
    let sweeping = async move { sweep(&client, PAGING, None, &sender).await };
    let receiving = async {
        let mut rows = 0;
        // Longer than an answer may take, each time.
        while let Some(page) = {
            tokio::time::sleep(Duration::from_secs(30)).await;
            pages.recv().await
        } {
            rows += page.rows.len();
        }
        rows
    };
    let (end, rows) = tokio::join!(sweeping, receiving);
    assert_eq!(end.expect("a whole sweep"), Swept::Whole { end: 900 });
    assert_eq!((rows, gate.gate().traffic().retries), (980, 0));
}

#[tokio::test(start_paused = true)]
async fn rows_that_hang_are_left_out_and_counted() {
    let options = Options { permits: 300, clean: true, stuck_rows: 2, ..Options::default() };
    let simulator = listing(options).await;
    let ended = imported(&simulator).await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    assert_eq!(ended.imported.listing.skipped, 2);
    assert_eq!(ended.imported.listing.listed, 298);
    assert!(!ended.imported.complete);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_permits_has_not_lost_them() {
    let simulator = listing(Options { permits: 0, ..Options::default() }).await;
    let ended = imported(&simulator).await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    assert!(!ended.imported.complete);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_ends_the_import() {
    let simulator = listing(Options { permits: 300, ..Options::default() }).await;
    simulator.set("fault=error-503%3D1").await;
    let ended = imported(&simulator).await;
    assert!(matches!(ended.halt, Some(Halt::Away(_))), "{:?}", ended.halt);
}

#[tokio::test(start_paused = true)]
async fn permits_that_share_a_registration_share_its_date() {
    let web = Web::start(|asked| {
        // Slow enough that nobody is answered before the listing has been looked at.
        let own = r#"[{"pendaftaran_id":"Z","d_berlaku_izin":"2032-01-02"}]"#;
        let late = Reply::Late(Duration::from_secs(5), own.into());
        let rows = r#"[{"pendaftaran_id":"A","d_berlaku_izin":"2031-01-02"},{"pendaftaran_id":"","d_berlaku_izin":"2033-01-02"}]"#;
        Some(match asked.target.contains("listpermohonanterbit") {
            false => late,
            true if asked.target.ends_with("/offset/0") => Reply::ok(rows),
            true => Reply::status(404, r#"{"error":"Tidak ada data.."}"#),
        })
    })
    .await;
    let stop = CancellationToken::new();
    let client = client(&web.base(), unlimited(4), &stop);
    let permits: Vec<Permit> = [(1, "A"), (2, " A"), (3, ""), (4, "A")]
        .into_iter()
        .map(|(id, registration)| {
            let row = json!({ "id": id, "permit_number": "1", "registration_id": registration });
            serde_json::from_value(row).expect("a permit")
        })
        .collect();
    let listing = ListingUse::Look { page_size: 10, ask_undated: false };
    let mut sink = MemorySink::accepting();
    let work = Work { listing, ..work(&permits) };
    let ended = run_to_end(work, &client, &mut sink, &stop).await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    assert_eq!(ended.progress.upgraded, Some(true));
    let dates: BTreeSet<(i64, String)> = sink
        .outcomes()
        .into_iter()
        .map(|(id, outcome)| match outcome {
            Outcome::Found { expiry_date } => (id, expiry_date.to_string()),
            other => panic!("{id}: {other:?}"),
        })
        .collect();
    let expected = [(1, "2031"), (2, "2031"), (3, "2032"), (4, "2031")];
    assert_eq!(dates, expected.map(|(id, year)| (id, format!("{year}-01-02"))).into());
}
