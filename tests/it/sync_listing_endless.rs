//! A listing that never says that it is at its end. The reading ends all the same, after few pages,
//! and tells what is whole from what is not.

use std::sync::Arc;

use sicantik_sidecar::odoo::run::ListingProgress;
use sicantik_sidecar::sicantik::simulator::{Form, Options};
use sicantik_sidecar::sync::listing::{Import, Imported, Paging, Remark, import};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::support::listing::{empty, page, row, rows, serve_listing};
use crate::support::sicantik::{Simulator, client, unlimited};
use crate::support::web::Reply;

/// Imports the listing at `base`, in pages of a hundred.
async fn imported(base: &url::Url, max_in_flight: usize) -> Imported {
    let client = client(base, unlimited(max_in_flight), &CancellationToken::new());
    let paging = Paging::of(100);
    let job = Import { server: &client, paging, ledger: None, wake: Arc::default() };
    let deadline = Duration::from_secs(3_600);
    let ended = tokio::time::timeout(deadline, import(job, &mut |_| {})).await;
    let ended = ended.expect("an end");
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    ended.imported
}

fn told(imported: &Imported) -> (u64, bool, Option<Remark>) {
    (imported.listing.listed, imported.complete, imported.remark)
}

/// The requests that a listing of 500 rows needs which has an end.
const NEEDED: u64 = 7;

async fn simulated(options: Options) -> Simulator {
    Simulator::start(Options { permits: 500, clean: true, ..options }).await
}

#[tokio::test(start_paused = true)]
async fn the_simulator_without_an_end_is_read_in_few_pages() {
    let quiet = Options::default;
    let cases = [
        (quiet(), 1, (500, true, None)),
        (Options { ignore_offset: true, ..quiet() }, 3, (110, false, Some(Remark::OffsetIgnored))),
        (
            Options { ignore_offset: true, page_cap: 50, ..quiet() },
            3,
            (50, false, Some(Remark::OffsetIgnored)),
        ),
        (Options { repeat_last_page: true, ..quiet() }, 3, (500, true, None)),
        // In pages of 50, twice as many are needed.
        (Options { page_cap: 50, ..quiet() }, 6, (500, true, None)),
        (Options { repeat_last_page: true, page_cap: 50, ..quiet() }, 6, (500, true, None)),
        (Options { listing_form: Form::Query, ..quiet() }, 2, (500, true, None)),
        (Options { listing_form: Form::Path, ..quiet() }, 1, (500, true, None)),
    ];
    for (options, times, expected) in cases {
        for max_in_flight in [1, 4, 8] {
            let simulator = simulated(options.clone()).await;
            let imported = imported(&simulator.base, max_in_flight).await;
            assert_eq!(told(&imported), expected, "{options:?}");
            let requests = simulator.requests().await;
            // What is in flight when the end shows is asked for as well.
            let most = times * NEEDED + (max_in_flight as u64).min(4) - 1;
            assert!(requests <= most, "{requests} with {max_in_flight} in flight: {options:?}");
        }
    }
}

/// Requests and what came of a listing that answers by `rule`.
async fn made_up(rule: impl Fn(u32, u32, u32) -> Reply + Send + Sync + 'static) -> (u64, Imported) {
    let web = serve_listing(rule).await;
    let imported = imported(&web.base(), 4).await;
    (web.asked().len() as u64, imported)
}

#[tokio::test(start_paused = true)]
async fn no_listing_without_an_end_is_read_for_ever() {
    // The offset is kept within the listing: its last page is a full one.
    let all = rows(500);
    let (requests, imported) =
        made_up(move |limit, offset, _| page(&all, limit, offset.min(500 - limit))).await;
    assert_eq!(told(&imported), (500, true, None));
    assert!(requests <= 3 * NEEDED, "{requests}");
    // It begins anew at its end.
    let all = [rows(500), rows(500)].concat();
    let (requests, imported) =
        made_up(move |limit, offset, _| page(&all, limit, offset % 500)).await;
    assert_eq!(told(&imported), (500, false, Some(Remark::NoEnd)));
    assert!(requests <= 3 * NEEDED, "{requests}");
    // All that is asked for lies on one page, and again on each that follows.
    for count in [1, 60, 110] {
        let all = rows(count);
        let (requests, imported) = made_up(move |limit, _, _| page(&all, limit, 0)).await;
        let ListingProgress { listed, .. } = imported.listing;
        assert_eq!((listed, imported.complete), (count.into(), false), "{count}");
        assert!(requests <= 3 * NEEDED, "{requests} for {count}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_come_in_while_it_is_read_are_no_repetition() {
    for (count, new) in [(500, 100), (500, 300), (500, 450), (2_000, 500), (60, 10), (60, 70)] {
        let old = rows(count);
        let now = [(5_000..5_000 + new).map(row).collect(), old.clone()].concat();
        let asked = std::sync::atomic::AtomicU32::default();
        let (requests, imported) = made_up(move |limit, offset, _| {
            let asked = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let is_now = asked > count / 200;
            page(if is_now { &now } else { &old }, limit, offset)
        })
        .await;
        let listed = u64::from(count + new);
        assert_eq!(told(&imported), (listed, true, None), "{new} more than {count}");
        assert!(requests <= 3 * (listed / 100 + 3) + 6, "{requests}: {new} more than {count}");
    }
    // Nothing at all is no repetition either.
    let (requests, imported) = made_up(|_, _, _| empty()).await;
    assert_eq!(told(&imported), (0, false, None));
    assert!(requests <= NEEDED, "{requests}");
}
