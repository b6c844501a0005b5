//! The pipeline in a test: permits to ask about, a sink in memory, and a run that ends.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{Stream, stream};
use sicantik_sidecar::odoo::run::{Recorded, Reply};
use sicantik_sidecar::odoo::{Error, Permit};
use sicantik_sidecar::sicantik::Client;
use sicantik_sidecar::sync::{
    self, Counts, Ended, Halt, ListingUse, Outcome, PermitOutcome, Progress, Reporter, Sink, Work,
};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// One batch as it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) outcomes: Vec<PermitOutcome>,
    pub(crate) progress: Progress,
    pub(crate) at: Instant,
}

type Rule<'a> = Box<dyn FnMut(usize) -> Result<Reply<Recorded>, Error> + Send + 'a>;

/// Keeps batches in memory, and replies to batch 0, 1, 2 … what the test wants it to.
pub(crate) struct MemorySink<'a> {
    pub(crate) batches: Vec<Batch>,
    rule: Rule<'a>,
    delay: Duration,
}

impl<'a> MemorySink<'a> {
    /// It accepts every batch.
    pub(crate) fn accepting() -> Self {
        Self::replying(|_| Ok(Reply::Go(Recorded::default())))
    }

    /// It replies by `rule`, which is given the batch's number.
    pub(crate) fn replying(
        rule: impl FnMut(usize) -> Result<Reply<Recorded>, Error> + Send + 'a,
    ) -> Self {
        Self { batches: Vec::new(), rule: Box::new(rule), delay: Duration::ZERO }
    }

    /// Each batch takes `delay`.
    pub(crate) fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn recorded(&self) -> impl Iterator<Item = &PermitOutcome> {
        self.batches.iter().flat_map(|batch| &batch.outcomes)
    }

    /// The outcomes by permit; each permit has one.
    pub(crate) fn outcomes(&self) -> HashMap<i64, Outcome> {
        let mut outcomes = HashMap::new();
        for recorded in self.recorded() {
            let twice = outcomes.insert(recorded.permit_id, recorded.outcome.clone());
            assert!(twice.is_none(), "permit {} was answered twice", recorded.permit_id);
        }
        outcomes
    }
}

impl Sink for MemorySink<'_> {
    async fn record(
        &mut self,
        outcomes: &[PermitOutcome],
        progress: &Progress,
    ) -> Result<Reply<Recorded>, Halt> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let reply = (self.rule)(self.batches.len());
        let at = Instant::now();
        self.batches.push(Batch { outcomes: outcomes.to_vec(), progress: *progress, at });
        Ok(reply?)
    }
}

pub(crate) type Page = Result<Vec<Permit>, Error>;

/// Work on `permits`, in pages of at most a hundred, one by one.
pub(crate) fn work(
    permits: &[Permit],
) -> Work<impl Fn() -> stream::Iter<std::vec::IntoIter<Page>> + Send + use<>> {
    let permits = permits.to_vec();
    let total = permits.len() as u64;
    let pages = move || {
        let pages: Vec<Page> = permits.chunks(100).map(|page| Ok(page.to_vec())).collect();
        stream::iter(pages)
    };
    work_on_pages(pages, total)
}

/// Work on the permits of `pages`, one by one.
pub(crate) fn work_on_pages<F>(pages: F, total: u64) -> Work<F> {
    Work {
        pages,
        total,
        earlier: Counts::default(),
        listing: ListingUse::Done,
        wake: Arc::default(),
    }
}

/// A reporter that shows nothing.
pub(crate) struct Silent;

impl Reporter for Silent {
    fn report(&mut self, _: &Progress) {}
}

/// Runs the pipeline to its end.
pub(crate) async fn run_to_end<P: Stream<Item = Page> + Send + Unpin>(
    work: Work<impl Fn() -> P + Send>,
    client: &Client,
    sink: &mut impl Sink,
    stop: &CancellationToken,
) -> Ended {
    // In paused time.
    let deadline = Duration::from_secs(7_200);
    let mut reporter = Silent;
    let running = sync::run(work, client, sink, stop, &mut reporter);
    tokio::time::timeout(deadline, running).await.expect("an end")
}
