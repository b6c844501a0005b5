//! The pipeline: batches, back-pressure, and every way in which it can end before its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, stream};
use sicantik_sidecar::odoo::run::{Recorded, Reply};
use sicantik_sidecar::odoo::{Error, Permit};
use sicantik_sidecar::outbound::Limits;
use sicantik_sidecar::sicantik::simulator::Options;
use sicantik_sidecar::sync::{Counts, Ended, Halt, Outcome, Work};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::support::pipeline::{MemorySink, Page, run_to_end, work, work_on_pages};
use crate::support::sicantik::{Simulator, unlimited};

async fn clean(permits: u32, latency: Duration) -> Simulator {
    Simulator::start(Options { permits, latency, clean: true, ..Options::default() }).await
}

const GO: Reply<Recorded> = Reply::Go(Recorded { rejected: 0 });
const STOP: Reply<Recorded> = Reply::Stop(Recorded { rejected: 0 });

/// The numbers of the permits for which SICANTIK gave details, and of those that were stored.
async fn answered_and_stored(
    simulator: &Simulator,
    permits: &[Permit],
    sink: &MemorySink<'_>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let log = simulator.get("log").await;
    let requests = log["requests"].as_array().expect("a list").clone();
    let answered = requests.iter().filter(|request| request["status"] == 200).filter_map(|one| {
        let target = one["target"].as_str()?.split("no_izin=").nth(1)?;
        Some(target.to_owned())
    });
    let stored = sink.recorded().map(|recorded| {
        let number = &permits[recorded.permit_id as usize - 1].permit_number;
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, number);
        url::form_urlencoded::byte_serialize(encoded.as_bytes()).collect()
    });
    (answered.collect(), stored.collect())
}

#[tokio::test(start_paused = true)]
async fn answers_leave_in_batches_of_a_hundred() {
    let simulator = clean(1_050, Duration::from_millis(20)).await;
    let stop = CancellationToken::new();
    let client = simulator.client(unlimited(32), &stop);
    let mut sink = MemorySink::accepting();
    let ended = run_to_end(work(&simulator.permits().await), &client, &mut sink, &stop).await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    assert_eq!((ended.progress.total, ended.progress.counts.found), (1_050, 1_050));
    let sizes: Vec<usize> = sink.batches.iter().map(|batch| batch.outcomes.len()).collect();
    let (last, full) = sizes.split_last().expect("batches");
    assert!(full.iter().all(|size| (100..=400).contains(size)), "{sizes:?}");
    assert!((1..=400).contains(last), "{sizes:?}");
    let last = sink.batches.last().expect("batches");
    assert_eq!(last.progress.counts.answered(), 1_050, "the last batch tells the whole");
}

#[tokio::test(start_paused = true)]
async fn answers_do_not_wait_for_a_batch_to_fill() {
    let simulator = clean(20, Duration::ZERO).await;
    let stop = CancellationToken::new();
    let client = simulator.client(Limits { rate: Some(1.0), max_in_flight: 4 }, &stop);
    let permits = simulator.permits().await;
    let start = Instant::now();
    let mut sink = MemorySink::accepting();
    run_to_end(work(&permits), &client, &mut sink, &stop).await;
    let mut silent_since = start;
    for (place, batch) in sink.batches.iter().enumerate() {
        let silence = (batch.at - silent_since).as_secs_f64();
        assert!(silence <= if place == 0 { 0.9 } else { 4.1 }, "{place}: {silence}");
        silent_since = batch.at;
    }
    assert!(sink.batches.len() >= 5);
}

#[tokio::test(start_paused = true)]
async fn odoo_gets_heartbeats_and_one_at_once_on_a_wake() {
    let simulator = clean(1, Duration::from_secs(9)).await;
    let stop = CancellationToken::new();
    let client = simulator.client(unlimited(4), &stop);
    let permits = simulator.permits().await;
    let wake = Arc::new(Notify::new());
    let woken = Work { wake: Arc::clone(&wake), ..work(&permits) };
    let start = Instant::now();
    let mut sink = MemorySink::accepting();
    let waking = async {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        wake.notify_one();
    };
    tokio::join!(run_to_end(woken, &client, &mut sink, &stop), waking);
    let heard: Vec<(u64, usize)> = sink
        .batches
        .iter()
        .map(|batch| ((batch.at - start).as_millis() as u64 / 100, batch.outcomes.len()))
        .collect();
    assert_eq!(heard, [(8, 0), (25, 0), (65, 0), (90, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_read_only_as_far_as_odoo_takes_what_comes_of_it() {
    const PAGE: usize = 100;
    let simulator = clean(500, Duration::ZERO).await;
    let permits = simulator.permits().await;
    let pulled = AtomicUsize::new(0);
    let pages = || {
        stream::iter(0..1_000).map(|page: usize| {
            pulled.fetch_add(PAGE, Ordering::Relaxed);
            let start = page * PAGE;
            let page = (start..start + PAGE)
                .map(|place| Permit { id: place as i64, ..permits[place % permits.len()].clone() });
            Page::Ok(page.collect())
        })
    };
    let work = work_on_pages(pages, 100_000);
    let stop = CancellationToken::new();
    let client = simulator.client(unlimited(32), &stop);
    let most_held = AtomicUsize::new(0);
    let recorded = AtomicUsize::new(0);
    let mut sink = MemorySink::replying(|batch| {
        // All that had been read when this batch was taken, and was not stored before it.
        let held = pulled.load(Ordering::Relaxed) - recorded.load(Ordering::Relaxed);
        most_held.fetch_max(held, Ordering::Relaxed);
        recorded.fetch_add(100, Ordering::Relaxed);
        Ok(if batch < 5 { GO } else { STOP })
    })
    .with_delay(Duration::from_secs(60));
    let ended = run_to_end(work, &client, &mut sink, &stop).await;
    assert!(matches!(ended.halt, Some(Halt::Cancelled)), "{:?}", ended.halt);
    drop(sink);
    let most = most_held.load(Ordering::Relaxed);
    assert!((400..3_000).contains(&most), "{most} permits held at once");
    assert!(pulled.load(Ordering::Relaxed) < 6_000);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_down_ends_the_run_and_costs_no_answer() {
    // One that refuses at once, and one that keeps every place in flight until the time-out.
    for fault in ["error-503", "timeout"] {
        let simulator = clean(900, Duration::from_millis(50)).await;
        let permits = simulator.permits().await;
        let stop = CancellationToken::new();
        let client = simulator.client(unlimited(4), &stop);
        let down = Notify::new();
        let mut sink = MemorySink::replying(|batch| {
            if batch == 2 {
                down.notify_one();
            }
            Ok(GO)
        });
        let breaking = async {
            down.notified().await;
            simulator.set(&format!("fault={fault}=1")).await;
        };
        let (ended, ()) =
            tokio::join!(run_to_end(work(&permits), &client, &mut sink, &stop), breaking);
        assert!(matches!(ended.halt, Some(Halt::Sicantik(_))), "{:?}", ended.halt);
        assert!(!stop.is_cancelled(), "the caller's token is the caller's");
        let (answered, stored) = answered_and_stored(&simulator, &permits, &sink).await;
        assert!((200..900).contains(&stored.len()), "{}", stored.len());
        assert_eq!(answered, stored);
        assert_eq!(ended.progress.counts.answered(), stored.len() as u64);
        let log = simulator.get("log/summary").await;
        let in_vain = log["faults"][fault].as_u64().expect("a number");
        assert!(in_vain < 120, "{in_vain} requests to a server that is down");
    }
}

/// A run that `sink` stops, and how it ended.
async fn stopped(
    simulator: &Simulator,
    stop: &CancellationToken,
    sink: &mut MemorySink<'_>,
    permits: &[Permit],
) -> Ended {
    let client = simulator.client(unlimited(8), stop);
    run_to_end(work(permits), &client, sink, stop).await
}

#[tokio::test(start_paused = true)]
async fn a_stop_keeps_what_was_answered_and_asks_nothing_more() {
    for by_odoo in [false, true] {
        let simulator = clean(900, Duration::from_secs(1)).await;
        let permits = simulator.permits().await;
        let stop = CancellationToken::new();
        let halt = stop.clone();
        let mut sink = MemorySink::replying(|batch| {
            if batch == 2 && !by_odoo {
                halt.cancel();
            }
            Ok(if batch == 2 && by_odoo { STOP } else { GO })
        });
        let at_stop = async {
            stop.cancelled().await;
            simulator.requests().await
        };
        let ended = stopped(&simulator, &stop, &mut sink, &permits);
        let (ended, asked) = tokio::join!(ended, at_stop);
        match ended.halt {
            Some(Halt::Cancelled) => assert!(by_odoo),
            Some(Halt::Interrupted) => assert!(!by_odoo),
            other => panic!("{other:?}"),
        }
        assert_eq!(simulator.requests().await, asked, "nothing was asked after the stop");
        let (answered, stored) = answered_and_stored(&simulator, &permits, &sink).await;
        assert!(!stored.is_empty());
        assert_eq!(answered, stored);
        assert_eq!(ended.progress.counts.answered(), stored.len() as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_run_and_an_odoo_that_fails_end_the_work_at_once() {
    for lost in [true, false] {
        let simulator = clean(900, Duration::from_millis(100)).await;
        let permits = simulator.permits().await;
        let stop = CancellationToken::new();
        let mut sink = MemorySink::replying(|batch| match (batch, lost) {
            (0, _) => Ok(GO),
            (1, true) => Ok(Reply::Lost),
            (1, false) => Err(Error::Rejected { sentence: "No.".to_owned() }),
            _ => panic!("nothing is recorded any more"),
        });
        let ended = stopped(&simulator, &stop, &mut sink, &permits).await;
        match ended.halt {
            Some(Halt::Lost) => assert!(lost),
            Some(Halt::Odoo(Error::Rejected { .. })) => assert!(!lost),
            other => panic!("{other:?}"),
        }
        assert!(stop.is_cancelled());
        let asked = simulator.requests().await;
        assert!(asked < 800, "{asked}");
        let stored = sink.batches[0].outcomes.len() as u64;
        assert!(!sink.batches[1].outcomes.is_empty(), "there was something to lose");
        assert_eq!(ended.progress.counts.answered(), stored, "only what was stored counts");
    }
}

#[tokio::test(start_paused = true)]
async fn permits_that_cannot_be_read_end_the_run_after_those_that_could() {
    let simulator = clean(150, Duration::ZERO).await;
    let permits = simulator.permits().await;
    let pages = || {
        let away = Error::Rejected { sentence: "No.".to_owned() };
        let pages: Vec<Page> =
            vec![Ok(permits[..100].to_vec()), Err(away), Ok(permits[100..].into())];
        stream::iter(pages)
    };
    let stop = CancellationToken::new();
    let client = simulator.client(unlimited(4), &stop);
    let mut sink = MemorySink::accepting();
    let work = work_on_pages(pages, 150);
    let ended = run_to_end(work, &client, &mut sink, &stop).await;
    assert!(matches!(ended.halt, Some(Halt::Odoo(_))), "{:?}", ended.halt);
    let (answered, stored) = answered_and_stored(&simulator, &permits, &sink).await;
    assert_eq!(answered, stored);
}

#[tokio::test(start_paused = true)]
async fn a_date_that_odoo_refuses_is_a_failure_and_an_earlier_attempt_counts() {
    let simulator = clean(250, Duration::ZERO).await;
    let permits = simulator.permits().await;
    let stop = CancellationToken::new();
    let client = simulator.client(unlimited(4), &stop);
    let earlier = Counts { found: 40, no_date: 8, not_registered: 1, failed: 1 };
    let work = Work { total: 300, earlier, ..work(&permits) };
    let mut sink = MemorySink::replying(|batch| {
        Ok(Reply::Go(Recorded { rejected: if batch == 0 { 3 } else { 0 } }))
    });
    let ended = run_to_end(work, &client, &mut sink, &stop).await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    let expected = Counts { found: 287, no_date: 8, not_registered: 1, failed: 4 };
    assert_eq!(ended.progress.counts, expected);
    assert_eq!((ended.progress.earlier, ended.progress.total), (50, 300));
    assert_eq!(
        sink.recorded().filter(|one| matches!(one.outcome, Outcome::Found { .. })).count(),
        250
    );
    assert_eq!(sink.batches[1].progress.counts.failed, 4, "the next batch says it already");
}
