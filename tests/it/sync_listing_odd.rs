//! The listing of a server that answers oddly. Nothing that can be had is missing, and nothing is
//! called whole that is not.

use std::sync::Arc;

use serde_json::json;
use sicantik_sidecar::sync::listing::{Import, Imported, Paging, import};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::support::listing::{empty, page, place, row, rows, serve_listing};
use crate::support::sicantik::{client, unlimited};
use crate::support::web::{Reply, Web};
use crate::support::within;

const PAGING: Paging = Paging { step: 100, overlap: 10, shift: 0 };

async fn imported(web: &Web) -> Imported {
    let client = client(&web.base(), unlimited(4), &CancellationToken::new());
    let job = Import { server: &client, paging: PAGING, ledger: None, wake: Arc::default() };
    // Of paused time there is plenty.
    let deadline = Duration::from_secs(36_000);
    let ended = tokio::time::timeout(deadline, import(job, &mut |_| {})).await;
    let ended = ended.expect("an end");
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    ended.imported
}

/// Permits seen, rows left out, and whether nothing can be missing.
fn told(imported: &Imported) -> (u64, u64, bool) {
    (imported.listing.listed, imported.listing.skipped, imported.complete)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_gives_fewer_rows_than_asked_for_is_read_to_its_end() {
    for (cap, count) in
        [(50, 480), (50, 500), (100, 480), (100, 500), (105, 500), (1, 20), (7, 100)]
    {
        let all = rows(count);
        let web = serve_listing(move |limit, offset, _| page(&all, limit.min(cap), offset)).await;
        let imported = imported(&web).await;
        assert_eq!(told(&imported), (count.into(), 0, true), "at most {cap} of {count}");
        let least = count.div_ceil(cap);
        let asked = web.asked().len() as u32;
        assert!(asked < 3 * least + 12, "{asked} requests for {least} pages of {cap}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stray_answer_is_not_the_end() {
    for stray in [0, 100, 300, 400, 500] {
        let all = rows(500);
        let web = serve_listing(move |limit, offset, times| {
            if offset == stray && times == 0 { empty() } else { page(&all, limit, offset) }
        })
        .await;
        assert_eq!(told(&imported(&web).await), (500, 0, true), "{stray}");
    }
    // A page that is cut off once.
    let all = rows(500);
    let web = serve_listing(move |limit, offset, times| {
        page(&all, if offset == 200 && times == 0 { 30 } else { limit }, offset)
    })
    .await;
    assert_eq!(told(&imported(&web).await), (500, 0, true));
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_left_out_and_said() {
    let all = rows(500);
    let web = serve_listing(move |limit, offset, _| {
        if (200..300).contains(&offset) { empty() } else { page(&all, limit, offset) }
    })
    .await;
    let imported = imported(&web).await;
    assert!(imported.listing.skipped > 0 && !imported.complete, "{imported:?}");
    assert!(imported.listing.listed >= 400, "{imported:?}");
}

#[tokio::test(start_paused = true)]
async fn the_end_is_asked_for_where_rows_stop() {
    for (count, requests) in [(500, 7), (450, 7), (1, 4), (99, 4)] {
        let all = rows(count);
        let web = serve_listing(move |limit, offset, _| page(&all, limit, offset)).await;
        // One at a time, so that none is on its way behind the end.
        let client = client(&web.base(), unlimited(1), &CancellationToken::new());
        let job = Import { server: &client, paging: PAGING, ledger: None, wake: Arc::default() };
        let ended = import(job, &mut |_| {}).await;
        assert_eq!(told(&ended.imported), (count.into(), 0, true));
        let asked: Vec<_> = web.asked().iter().filter_map(place).collect();
        assert!(asked.len() <= requests, "{count}: {asked:?}");
        assert!(asked.iter().any(|(_, offset)| *offset == count), "{count}: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_odd_row_is_left_out_alone() {
    let mut all = rows(500);
    all[150] = json!({ "n_pemohon": "Ginting", "no_surat": "503/x" });
    let web = serve_listing(move |limit, offset, _| page(&all, limit, offset)).await;
    assert_eq!(told(&imported(&web).await), (499, 1, false));
}

#[tokio::test(start_paused = true)]
async fn pages_too_large_are_read_in_smaller_ones() {
    let all = rows(200);
    let web = serve_listing(move |limit, offset, _| {
        let is_heavy = limit > 20 && (offset..offset + limit).contains(&150);
        if is_heavy { Reply::Spaces(9 << 20, true) } else { page(&all, limit, offset) }
    })
    .await;
    assert_eq!(told(&imported(&web).await), (200, 0, true));
}

#[tokio::test(start_paused = true)]
async fn offsets_that_never_answer_come_to_an_end() {
    // Where rows stand, and behind the end.
    for (count, silent, listed) in [(3_000, 200, 200), (200, 200, 200)] {
        let all = rows(count);
        let web = serve_listing(move |limit, offset, _| {
            if offset >= silent {
                Reply::Late(Duration::from_secs(600), String::new())
            } else {
                page(&all, limit, offset)
            }
        })
        .await;
        let began = Instant::now();
        let imported = imported(&web).await;
        let took = began.elapsed();
        let (seen, skipped, complete) = told(&imported);
        assert!(seen >= listed && skipped > 0 && !complete, "{imported:?}");
        assert!(web.asked().len() < 200, "{} requests", web.asked().len());
        assert!(took < Duration::from_secs(900), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_behind_a_page_of_news_is_seen() {
    // 250 come in once the end has been reached: more than a page; one of them is junk, one is
    // there twice.
    let old = rows(300);
    let mut new: Vec<_> = (1_000..1_250).map(row).collect();
    new[7]["n_pemohon"] = json!("-");
    new[60] = new[61].clone();
    let now = [new, old.clone()].concat();
    let grown = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let web = serve_listing(move |limit, offset, times| {
        use std::sync::atomic::Ordering::Relaxed;
        if (limit, offset, times) == (110, 0, 1) {
            grown.store(true, Relaxed);
        }
        page(if grown.load(Relaxed) { &now } else { &old }, limit, offset)
    })
    .await;
    assert_eq!(told(&imported(&web).await), (548, 0, true));
    // Three pages further, and the front once more: no second sweep.
    let asked: Vec<_> = web.asked().iter().filter_map(place).collect();
    assert!(asked.len() <= 10, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn identities_that_are_numbers_stop_the_listing() {
    let web = serve_listing(|limit, offset, _| {
        let mut rows = rows(60);
        rows[40]["pendaftaran_id"] = json!(12_300_108_201_700_u64);
        page(&rows, limit, offset)
    })
    .await;
    let stop = CancellationToken::new();
    let client = client(&web.base(), unlimited(4), &stop);
    let paging = Paging { step: 20, overlap: 5, shift: 0 };
    let job = Import { server: &client, paging, ledger: None, wake: Arc::default() };
    let ended = within(import(job, &mut |_| {})).await;
    let halt = ended.halt.expect("a reason").to_string();
    assert!(halt.contains("pendaftaran_id` as a number"), "{halt}");
    assert!(!ended.imported.complete);
    // The page, in both forms, and not in smaller and smaller parts.
    assert!(web.asked().len() < 12, "{} requests", web.asked().len());
}
