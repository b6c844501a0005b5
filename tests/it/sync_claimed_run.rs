//! A run of the ledger, from its claim to its end, and what becomes of it when another worker
//! takes it.

use std::sync::Arc;

use serde_json::json;
use sicantik_sidecar::odoo::run::{self, Claim, Kind};
use sicantik_sidecar::odoo::{Client, Protocol, Schema};
use sicantik_sidecar::outbound::Limits;
use sicantik_sidecar::sicantik::simulator::Options;
use sicantik_sidecar::sync::heartbeat::LEASE_SECONDS;
use sicantik_sidecar::sync::{ClaimedRun, Counts, Ended, Halt};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::support::ledger::{Ledger, QueuedRun};
use crate::support::odoo::{Answer, FakeOdoo, Seen};
use crate::support::pipeline::Silent;
use crate::support::sicantik::{Simulator, unlimited};
use crate::support::within;

/// A ledger with one run in it, and a simulator for it.
struct Neighbours {
    simulator: Simulator,
    odoo: FakeOdoo,
    ledger: Ledger,
    client: Client,
    schema: Schema,
}

impl Neighbours {
    async fn start(rule: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let options = Options { permits: 60, clean: true, ..Options::default() };
        let simulator = Simulator::start(options).await;
        let odoo = FakeOdoo::start().await;
        let ledger = Ledger::behind_with(&odoo, simulator.permits().await, rule);
        let mut settings = odoo.settings(Protocol::Json2);
        settings.timeout = Duration::from_secs(30);
        let client = odoo.client_with(settings).await;
        let schema = within(Schema::read(&client)).await.expect("a schema");
        Self { simulator, odoo, ledger, client, schema }
    }

    async fn claim(&self, run: QueuedRun) -> Claim {
        self.ledger.add(run);
        let claim = within(run::claim(&self.client, "w", LEASE_SECONDS, &[])).await;
        claim.expect("an answer").expect("a run")
    }

    fn claimed(&self, claim: Claim) -> ClaimedRun<'_> {
        ClaimedRun {
            odoo: &self.client,
            schema: &self.schema,
            worker: "w",
            kind: claim.kind.known().expect("a known kind"),
            claim,
            wake: Arc::default(),
        }
    }

    /// Works on a run of the kind `all` to its end.
    async fn work(&self) -> Ended {
        let claim = self.claim(QueuedRun::of("all", self.simulator.base.as_str())).await;
        let claimed = self.claimed(claim);
        let stop = CancellationToken::new();
        let server = self.simulator.client(unlimited(4), &stop);
        let mut ended = claimed.work(&server, &stop, &mut Silent).await;
        claimed.finish(&mut ended).await.expect("an answer");
        ended
    }

    fn has_called(&self, method: &str) -> bool {
        self.odoo.seen().iter().any(|seen| seen.method == method)
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_of_both_steps_is_worked_on_and_finished() {
    let neighbours = Neighbours::start(|_| None).await;
    let ended = neighbours.work().await;
    assert!(ended.halt.is_none(), "{:?}", ended.halt);
    assert_eq!((ended.progress.total, ended.progress.counts.found), (60, 60));
    assert_eq!(ended.imported.map(|imported| imported.listing.listed), Some(60));
    assert_eq!(neighbours.ledger.run(1).state, "done");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_taken_over_is_lost_wherever_it_was() {
    for method in ["record_listing", "listing_done", "remaining", "record", "finish"] {
        let neighbours = Neighbours::start(|_| None).await;
        neighbours.ledger.take_over_before(method);
        let ended = neighbours.work().await;
        assert!(matches!(ended.halt, Some(Halt::Lost)), "{method}: {:?}", ended.halt);
        assert!(neighbours.has_called(method));
        assert_eq!(neighbours.has_called("finish"), method == "finish", "{method}");
        assert_eq!(neighbours.ledger.run(1).state, "running", "it is the other worker's to end");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_sleep_the_lease_is_renewed_before_anything_is_asked() {
    // The worker stands still past its lease, in either step, and another takes the run meanwhile.
    for (kind, method) in [("expiry", "record"), ("all", "record"), ("permits", "record_listing")] {
        let neighbours = Neighbours::start(|_| None).await;
        if kind == "permits" {
            neighbours.simulator.set("fault=timeout=1").await;
        }
        let claim = neighbours.claim(QueuedRun::of(kind, neighbours.simulator.base.as_str())).await;
        let claimed = neighbours.claimed(claim);
        let stop = CancellationToken::new();
        let limits = Limits { rate: Some(5.0), max_in_flight: 4 };
        let server = neighbours.simulator.client(limits, &stop);
        let sleeping = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            neighbours.ledger.take_over_before(method);
            let before = server.gate().traffic().requests;
            tokio::time::advance(Duration::from_secs(40)).await;
            before
        };
        let mut silent = Silent;
        let working = claimed.work(&server, &stop, &mut silent);
        let (ended, before) = tokio::join!(working, sleeping);
        assert!(matches!(ended.halt, Some(Halt::Lost)), "{kind}: {:?}", ended.halt);
        assert!(before > 0, "{kind}");
        assert_eq!(server.gate().traffic().requests, before, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_between_the_steps_ends_the_run_as_cancelled() {
    let neighbours = Neighbours::start(|seen| {
        let answer = json!({ "answer": "stop", "domains": [[]], "total": 60, "limit": 0 });
        (seen.method == "remaining").then_some(Answer::Value(answer))
    })
    .await;
    let ended = neighbours.work().await;
    assert!(matches!(ended.halt, Some(Halt::Cancelled)), "{:?}", ended.halt);
    assert!(!neighbours.has_called("record"), "step two did not begin");
    assert_eq!(neighbours.ledger.run(1).state, "cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_check_counts_the_permits_that_odoo_refused_to_mark() {
    let neighbours = Neighbours::start(|_| None).await;
    for (refused, total) in [(0, 2), (1, 3)] {
        let claim = neighbours.claim(QueuedRun::of("check", "").refused(refused)).await;
        let claimed = neighbours.claimed(claim);
        assert_eq!(claimed.kind, Kind::Check);
        let mut ended = claimed.check().await;
        assert!(ended.halt.is_none(), "{:?}", ended.halt);
        let counts = Counts { failed: refused, ..Counts::default() };
        assert_eq!((ended.progress.total, ended.progress.counts), (total, counts));
        claimed.finish(&mut ended).await.expect("an answer");
        assert_eq!(ended.progress.counts, counts, "the ledger has counted the same");
    }
    let claim = neighbours.claim(QueuedRun::of("check", "")).await;
    neighbours.ledger.take_over_before("check");
    let ended = neighbours.claimed(claim).check().await;
    assert!(matches!(ended.halt, Some(Halt::Lost)), "{:?}", ended.halt);
    assert_eq!(neighbours.simulator.requests().await, 0, "a check asks no server");
}
