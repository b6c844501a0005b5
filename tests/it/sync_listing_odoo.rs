//! What of the listing goes to Odoo, and when: batches, heartbeats, and what is kept when it stops.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sicantik_sidecar::odoo::run::Kind;
use sicantik_sidecar::odoo::{Client, Mode, Protocol, Schema};
use sicantik_sidecar::sync::listing::{Import, ImportEnded, Ledger, Paging, import};
use sicantik_sidecar::sync::{ClaimedRun, Halt};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::support::listing::{page, place, row, rows, serve_listing};
use crate::support::odoo::{Answer, FakeOdoo, Seen};
use crate::support::pipeline::Silent;
use crate::support::sicantik::{client, unlimited};
use crate::support::web::{Reply, Web};

/// An Odoo that takes rows, and has permits without a registration that bear these numbers.
struct ListingLedger {
    odoo: FakeOdoo,
    client: Client,
    stop: Arc<Mutex<bool>>,
}

impl ListingLedger {
    async fn start(numbers: &[&str]) -> Self {
        let odoo = FakeOdoo::start().await;
        let stop = Arc::new(Mutex::new(false));
        let numbers: Vec<Value> = (1..)
            .zip(numbers)
            .map(|(id, number)| json!({ "id": id, "permit_number": number }))
            .collect();
        let is_stopped = Arc::clone(&stop);
        odoo.handle(move |seen| {
            Some(Answer::Value(match seen.method.as_str() {
                "record_listing" => {
                    let answer =
                        if *is_stopped.lock().expect("not poisoned") { "stop" } else { "go" };
                    json!({ "answer": answer, "created": seen.kwargs["rows"].as_array()?.len() })
                }
                "listing_done" => json!({ "answer": "go" }),
                "search_read" => {
                    let domain = seen.kwargs["domain"].to_string();
                    let is_first = domain.contains(r#"["id",">",0]"#);
                    let is_unregistered = domain.contains(r#"["registration_id","=",false]"#);
                    if is_first && is_unregistered { json!(numbers) } else { json!([]) }
                }
                _ => return None,
            }))
        });
        let mut settings = odoo.settings(Protocol::Json2);
        settings.timeout = Duration::from_secs(30);
        let client = odoo.client_with(settings).await;
        Self { odoo, client, stop }
    }

    /// The rows of each call, mere heartbeats left out.
    fn calls(&self) -> Vec<Vec<Value>> {
        let seen = self.odoo.seen();
        let recorded = seen.iter().filter(|seen| seen.method == "record_listing");
        let rows = recorded.filter_map(|seen| seen.kwargs["rows"].as_array().cloned());
        rows.filter(|rows| !rows.is_empty()).collect()
    }

    fn heartbeats(&self) -> Vec<Value> {
        let seen = self.odoo.seen();
        let recorded = seen.iter().filter(|seen| seen.method == "record_listing");
        recorded.filter(|seen| seen.kwargs["batch"] == 0).map(|seen| seen.kwargs.clone()).collect()
    }

    async fn import(
        &self,
        web: &Web,
        page_size: u32,
        stop: &CancellationToken,
        wake: &Arc<Notify>,
    ) -> ImportEnded {
        let client = client(&web.base(), unlimited(4), stop);
        let run = Ledger {
            odoo: &self.client,
            run_id: 1,
            worker: "worker",
            connector_id: 1,
            last_batch: 0,
        };
        let paging = Paging::of(page_size);
        let job = Import { server: &client, paging, ledger: Some(run), wake: Arc::clone(wake) };
        import(job, &mut |_| {}).await
    }

    async fn import_all(&self, web: &Web, page_size: u32) -> ImportEnded {
        let ended = self.import(web, page_size, &CancellationToken::new(), &Arc::default()).await;
        assert!(ended.halt.is_none(), "{:?}", ended.halt);
        ended
    }
}

fn late() -> Reply {
    Reply::Late(Duration::from_secs(600), String::new())
}

#[tokio::test(start_paused = true)]
async fn a_slow_look_back_does_not_cost_the_lease() {
    let ledger = ListingLedger::start(&[]).await;
    let all = rows(50);
    let web = serve_listing(move |limit, offset, times| {
        if times == 0 {
            return page(&all, limit, offset);
        }
        let Reply::Page(_, _, body) = page(&all, limit, offset) else { unreachable!() };
        Reply::Late(Duration::from_secs(9), body)
    })
    .await;
    let ended = ledger.import_all(&web, 100).await;
    assert!(ended.imported.complete);
    assert!(ledger.heartbeats().len() >= 2, "{:?}", ledger.heartbeats());
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_while_nothing_answers() {
    // By a press in Odoo, or by a signal; in a sweep, or in the look back.
    for is_signal in [false, true] {
        for (count, hangs_at) in [(300, 200), (50, 0)] {
            let ledger = ListingLedger::start(&[]).await;
            let all = rows(count);
            let web = serve_listing(move |limit, offset, times| {
                let is_look = hangs_at == 0 && times > 0;
                if (hangs_at > 0 && offset >= hangs_at) || is_look {
                    late()
                } else {
                    page(&all, limit, offset)
                }
            })
            .await;
            let (stop, wake) = (CancellationToken::new(), Arc::new(Notify::new()));
            let stopping = async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                if is_signal {
                    stop.cancel();
                } else {
                    *ledger.stop.lock().expect("not poisoned") = true;
                    wake.notify_one();
                }
                Instant::now()
            };
            let importing = async {
                let ended = ledger.import(&web, 100, &stop, &wake).await;
                (ended, Instant::now())
            };
            let ((ended, over), asked) = tokio::join!(importing, stopping);
            let is_right = if is_signal {
                matches!(ended.halt, Some(Halt::Interrupted))
            } else {
                matches!(ended.halt, Some(Halt::Cancelled))
            };
            assert!(is_right, "{:?}", ended.halt);
            let took = over - asked;
            assert!(took <= Duration::from_millis(1_500), "{took:?}");
            let stored: usize = ledger.calls().iter().map(Vec::len).sum();
            assert_eq!(stored as u64, ended.imported.listing.listed);
            assert!(stored >= 50, "what was received is stored");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_way_is_not_reported() {
    let ledger = ListingLedger::start(&[]).await;
    let web = serve_listing(|_, _, _| late()).await;
    let ended = ledger.import(&web, 100, &CancellationToken::new(), &Arc::default()).await;
    assert!(!ended.imported.complete, "{ended:?}");
    let heartbeats = ledger.heartbeats();
    assert!(!heartbeats.is_empty());
    assert!(
        heartbeats.iter().all(|heartbeat| heartbeat["progress"].get("upgraded").is_none()),
        "{heartbeats:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn large_pages_do_not_pile_up() {
    let ledger = ListingLedger::start(&[]).await;
    let all = rows(4_000);
    let web = serve_listing(move |limit, offset, _| page(&all, limit, offset)).await;
    let ended = ledger.import_all(&web, 1_000).await;
    assert!(ended.imported.complete);
    let calls: Vec<usize> = ledger.calls().iter().map(Vec::len).collect();
    assert_eq!(calls.iter().sum::<usize>(), 4_000);
    assert!(calls.iter().all(|rows| *rows <= 600), "{calls:?}");
    // Less than a batch is left of each page: three calls and not two for a thousand rows.
    let heartbeats = ledger.heartbeats().len();
    assert!(calls.len() <= 8 && heartbeats <= 2, "{calls:?} {heartbeats}");
}

#[tokio::test(start_paused = true)]
async fn stop_keeps_all_that_waits() {
    let ledger = ListingLedger::start(&[]).await;
    *ledger.stop.lock().expect("not poisoned") = true;
    let all = rows(1_100);
    let web = serve_listing(move |limit, offset, _| page(&all, limit, offset)).await;
    let ended = ledger.import(&web, 1_000, &CancellationToken::new(), &Arc::default()).await;
    assert!(matches!(ended.halt, Some(Halt::Cancelled)), "{:?}", ended.halt);
    let stored: usize = ledger.calls().iter().map(Vec::len).sum();
    assert_eq!(stored as u64, ended.imported.listing.listed);
    assert!(stored >= 1_100, "{stored}");
}

#[tokio::test(start_paused = true)]
async fn dates_that_contradict_each_other_far_apart_are_said() {
    let ledger = ListingLedger::start(&[]).await;
    let mut all = rows(1_500);
    all.iter_mut().for_each(|row| row["d_berlaku_izin"] = json!("2030-01-02"));
    all[1_400] = all[10].clone();
    all[1_400]["d_berlaku_izin"] = json!("0000-00-00");
    all[1_401] = all[11].clone();
    all[1_401]["n_pemohon"] = json!("Barus");
    let web = serve_listing(move |limit, offset, _| page(&all, limit, offset)).await;
    ledger.import_all(&web, 100).await;
    let sent: Vec<Value> = ledger.calls().concat();
    let of = |number: u32| -> Vec<&Value> {
        sent.iter()
            .filter(|sent| sent["registration_id"] == row(number)["pendaftaran_id"])
            .collect()
    };
    let contradicted = of(10);
    assert_eq!(contradicted.len(), 2, "{contradicted:?}");
    assert!(contradicted[0].get("other_expiry_date").is_none());
    assert_eq!(contradicted[1]["expiry_date"], "2030-01-02");
    assert_eq!(contradicted[1].get("other_expiry_date"), Some(&Value::Null));
    let named = of(11);
    assert_eq!((named.len(), &named[0]["applicant_name"]), (1, &json!("Ginting")));
}

#[tokio::test(start_paused = true)]
async fn rows_with_the_number_of_a_permit_without_registration_come_in_one_call() {
    let ledger = ListingLedger::start(&["503/A ", "503/7"]).await;
    let mut all = rows(2_000);
    for place in [5, 1_900] {
        all[place]["no_surat"] = json!(" 503/A");
    }
    let web = serve_listing(move |limit, offset, _| page(&all, limit, offset)).await;
    let ended = ledger.import_all(&web, 100).await;
    assert_eq!(ended.imported.stored.created, 2_000);
    let calls = ledger.calls();
    let with = |number: &str| -> Vec<usize> {
        let has = |rows: &Vec<Value>| {
            rows.iter()
                .filter(|row| row["permit_number"].as_str().map(str::trim) == Some(number))
                .count()
        };
        calls.iter().map(has).collect()
    };
    for (number, expected) in [("503/A", 2), ("503/7", 1)] {
        let found = with(number);
        assert_eq!(found.iter().filter(|count| **count > 0).count(), 1, "{number}: {found:?}");
        assert_eq!(found.iter().sum::<usize>(), expected, "{number}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_lost_its_applicant_is_listed_all_the_same() {
    let ledger = ListingLedger::start(&[]).await;
    let registration = |number: u32| row(number)["pendaftaran_id"].clone();
    let known = json!([
        { "id": 1, "registration_id": registration(3), "listed": true },
        { "id": 2, "registration_id": registration(99), "listed": true },
        { "id": 3, "registration_id": registration(98), "listed": false },
        { "id": 4, "registration_id": registration(4), "listed": false },
    ]);
    ledger.odoo.handle(move |seen| {
        let domain = seen.kwargs["domain"].to_string();
        Some(Answer::Value(match seen.method.as_str() {
            "search_read"
                if domain.contains("!=\",false")
                    && domain.contains(r#"">",0]"#)
                    && !domain.contains("permit_number") =>
            {
                known.clone()
            }
            "search_read" => json!([]),
            _ => json!({ "answer": "go" }),
        }))
    });
    let mut all = rows(20);
    all[3]["n_pemohon"] = json!("0");
    let web = serve_listing(move |limit, offset, _| page(&all, limit, offset)).await;
    let ended = ledger.import_all(&web, 100).await;
    assert_eq!((ended.imported.listing.junk, ended.imported.unlisted), (1, Some(1)));
    let seen = ledger.odoo.seen();
    let done = seen.iter().find(|seen| seen.method == "listing_done").expect("it was said");
    assert_eq!(done.kwargs["listed_ids_missing"], json!([2]));
    assert_eq!(done.kwargs["listed_again"], json!([4]));
    assert!(web.asked().iter().filter_map(place).count() > 1);
}

/// Two permits without a date are left for the second step.
fn two_remaining(seen: &Seen) -> Option<Answer> {
    let domain = seen.kwargs["domain"].to_string();
    Some(Answer::Value(match seen.method.as_str() {
        "fields_get" => json!({
            "permit_number": {}, "registration_id": {}, "expiry_date": {}, "status": {},
            "name": {}, "api_url": {}, "state": {},
        }),
        "search_read" if domain.contains("status") && domain.contains(r#"">",0]"#) => json!([
            { "id": 1, "permit_number": "503/1", "registration_id": row(1)["pendaftaran_id"] },
            { "id": 2, "permit_number": "503/2", "registration_id": row(2)["pendaftaran_id"] },
        ]),
        "search_read" => json!([]),
        "remaining" => {
            json!({
                "answer": "go", "domains": [[["status", "=", "active"]]], "total": 2, "limit": 0,
            })
        }
        "finish" => json!({ "answer": "go", "counts": {} }),
        _ => json!({ "answer": "go" }),
    }))
}

#[tokio::test(start_paused = true)]
async fn the_figures_of_a_run_never_fall() {
    let ledger = ListingLedger::start(&[]).await;
    ledger.odoo.handle(two_remaining);
    let all = rows(300);
    let web = serve_listing(move |limit, offset, _| page(&all, limit, offset)).await;
    let claim = json!({
        "run_id": 1, "kind": "all", "domains": [],
        "connector": { "id": 1, "name": "Karo", "api_url": web.base(), "page_size": 100 },
    });
    let claimed = ClaimedRun {
        odoo: &ledger.client,
        schema: &Schema::read(&ledger.client).await.expect("a schema"),
        worker: "worker",
        kind: Kind::All,
        claim: serde_json::from_value(claim).expect("a claim"),
        wake: Arc::default(),
    };
    assert_eq!(claimed.schema.mode, Mode::Ledger);
    let stop = CancellationToken::new();
    let client = client(&web.base(), unlimited(4), &stop);
    let mut ended = claimed.work(&client, &stop, &mut Silent).await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    claimed.finish(&mut ended).await.expect("its end");
    let seen = ledger.odoo.seen();
    let progress = |name: &str| -> Vec<u64> {
        let said = seen.iter().filter_map(|seen| seen.kwargs["progress"][name].as_u64());
        said.collect()
    };
    for name in ["requests", "retries"] {
        let said = progress(name);
        assert!(said.is_sorted(), "{name}: {said:?}");
    }
    // What was given up on its way behind the end has left, but may not have arrived.
    let sent = web.asked().len() as u64;
    assert!(progress("requests").last() >= Some(&sent));
    let in_step_two: Vec<u64> = seen
        .iter()
        .filter(|seen| seen.method == "record")
        .filter_map(|seen| seen.kwargs["progress"]["requests"].as_u64())
        .collect();
    assert!(!in_step_two.is_empty() && in_step_two.iter().all(|said| *said > 4), "{in_step_two:?}");
}
