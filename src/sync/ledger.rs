//! A run of the ledger, from its claim to its end.

use std::sync::Arc;

use futures::{Stream, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::expiry::{self, Ended, Halt, ListingUse, Work};
use super::listing::{self, Import, ImportEnded, Imported, Ledger, Sweep};
use super::progress::{Progress, Reporter, Tally};
use super::sink::{LedgerSink, Recorded, Sink};
use crate::odoo::permit::Pages;
use crate::odoo::run::{self, Answer, Code, End, ListingProgress, Payload};
use crate::odoo::{Client, Domain, Error, Permit, Schema};
use crate::sicantik;

/// Rows of the listing in one page, where the connector does not say.
pub const DEFAULT_PAGE_SIZE: u32 = 100;

/// Permits read in one call.
const PAGE_SIZE: usize = 1_000;

/// A run that this process holds.
#[derive(Debug)]
pub struct Held<'a> {
    /// Odoo, with the retry_budget that the run deserves.
    pub odoo: &'a Client,
    /// Which fields Odoo's models have.
    pub schema: &'a Schema,
    /// The name under which it is held.
    pub worker: &'a str,
    /// What Odoo said when it was claimed.
    pub payload: Payload,
    /// See [`Work::wake`].
    pub wake: Arc<Notify>,
}

impl Held<'_> {
    /// Does what the run is about until it is done or `stop`, which must be the token that `sicantik` stops on, is
    /// cancelled.
    pub async fn work(
        &self,
        sicantik: &sicantik::Client,
        stop: &CancellationToken,
        reporter: &mut dyn Reporter,
    ) -> Ended {
        let payload = &self.payload;
        let page_size = payload.connector.page_size.unwrap_or(DEFAULT_PAGE_SIZE);
        match payload.kind.as_str() {
            "permits" => {
                let ImportEnded { imported, halt, .. } =
                    self.import(sicantik, page_size, reporter).await;
                Ended { progress: Progress::default(), imported: Some(imported), halt }
            }
            "all" => self.listing_then_rest(sicantik, page_size, stop, reporter).await,
            _ => {
                let ask_undated = payload.include_not_due;
                let listing = ListingUse::Look { page_size, ask_undated };
                let limit = payload
                    .max_permits
                    .map(|most| (most as usize).saturating_sub(payload.answered as usize));
                let due = Due { domains: payload.domains.clone(), total: payload.total, limit };
                let sink = self.sink(payload.last_batch, ListingProgress::default());
                self.expiry(due, listing, sink, sicantik, stop, reporter).await
            }
        }
    }

    /// Step one, then step two for what it left without a date.
    async fn listing_then_rest(
        &self,
        sicantik: &sicantik::Client,
        page_size: u32,
        stop: &CancellationToken,
        reporter: &mut dyn Reporter,
    ) -> Ended {
        let payload = &self.payload;
        let ImportEnded { imported, last_batch, halt } = if payload.listing_done {
            // An earlier attempt has done it.
            ImportEnded {
                imported: Imported::default(),
                last_batch: payload.last_batch,
                halt: None,
            }
        } else {
            self.import(sicantik, page_size, reporter).await
        };
        let ended = match halt {
            Some(halt) => Ended { progress: Progress::default(), imported: None, halt: Some(halt) },
            None => match run::remaining(self.odoo, self.payload.run_id, self.worker).await {
                Ok(rest) => {
                    let limit = (rest.limit > 0).then_some(rest.limit as usize);
                    let total = payload.counts.answered() + rest.total;
                    let due = Due { domains: rest.domains, total, limit };
                    let sink = self.sink(last_batch, imported.listing);
                    self.expiry(due, ListingUse::Done, sink, sicantik, stop, reporter).await
                }
                Err(error) => Ended {
                    progress: Progress::default(),
                    imported: None,
                    halt: Some(Halt::Odoo(error)),
                },
            },
        };
        let mut progress = ended.progress;
        progress.requests += imported.listing.requests;
        progress.retries += imported.listing.retries;
        let imported = (!payload.listing_done).then_some(imported);
        progress.upgraded = imported.and_then(|imported| imported.listing.upgraded);
        Ended { progress, imported, ..ended }
    }

    async fn import(
        &self,
        sicantik: &sicantik::Client,
        page_size: u32,
        reporter: &mut dyn Reporter,
    ) -> ImportEnded {
        let payload = &self.payload;
        let ledger = Ledger {
            odoo: self.odoo,
            run_id: payload.run_id,
            worker: self.worker,
            connector_id: payload.connector.id,
            last_batch: payload.last_batch,
        };
        let how = Sweep::of(page_size);
        let wake = Arc::clone(&self.wake);
        let job = Import { sicantik, how, ledger: Some(ledger), wake };
        listing::import(job, &mut |imported| reporter.report_listing(imported)).await
    }

    async fn expiry(
        &self,
        due: Due,
        listing: ListingUse,
        mut sink: Onward,
        sicantik: &sicantik::Client,
        stop: &CancellationToken,
        reporter: &mut dyn Reporter,
    ) -> Ended {
        let payload = &self.payload;
        let work = Work {
            pages: || permits(self.odoo, self.schema, due.domains.clone(), due.limit),
            total: due.total,
            earlier: payload.counts,
            listing,
            wake: Arc::clone(&self.wake),
        };
        expiry::run(work, sicantik, &mut sink, stop, reporter).await
    }

    fn sink(&self, last_batch: u64, listing: ListingProgress) -> Onward {
        let sink = LedgerSink::new(self.odoo, self.payload.run_id, self.worker, last_batch);
        Onward { sink, listing }
    }

    /// Writes the run's end into the ledger, if it is still held, and takes over what the ledger has counted.
    ///
    /// # Errors
    ///
    /// What Odoo answers. Then the run's lease runs out, and whoever claims it next continues it, or ends it if it was a
    /// command's.
    pub async fn finish(&self, ended: &mut Ended) -> Result<(), Error> {
        let nothing = String::new();
        let (end, code, message) = match &ended.halt {
            None => (End::Done, None, nothing),
            Some(Halt::Lost) => return Ok(()),
            Some(Halt::Cancelled) => (End::Cancelled, Some(Code::Cancelled), nothing),
            Some(Halt::Interrupted) => (End::Cancelled, Some(Code::Interrupted), nothing),
            Some(Halt::Away(error)) => (End::Failed, Some(Code::Away), error.to_string()),
            Some(Halt::Sicantik(error)) => {
                (End::Failed, Some(Code::SicantikStopped), error.to_string())
            }
            Some(Halt::Odoo(error)) => (End::Failed, Some(Code::Odoo), error.to_string()),
        };
        let progress = (&ended.progress).into();
        let run_id = self.payload.run_id;
        let counts =
            run::finish(self.odoo, run_id, self.worker, end, code, &message, progress).await?;
        if let Some(counts) = counts {
            ended.progress.counts = counts;
        }
        Ok(())
    }
}

/// The ledger in step two of a run: what it has counted in step one stays counted, should this process die now.
struct Onward {
    sink: LedgerSink,
    listing: ListingProgress,
}

impl Sink for Onward {
    async fn record(&mut self, answers: &[Answer], progress: &Progress) -> Result<Recorded, Error> {
        let mut both = *progress;
        both.requests += self.listing.requests;
        both.retries += self.listing.retries;
        self.sink.record(answers, &both).await
    }
}

/// Permits to ask for.
struct Due {
    domains: Vec<Domain>,
    /// How many they are, with those answered earlier.
    total: u64,
    /// Ask for so many at most.
    limit: Option<usize>,
}

/// Pages of the permits of `domains`, at most `limit` permits.
pub fn permits(
    odoo: &Client,
    schema: &Schema,
    domains: Vec<Domain>,
    limit: Option<usize>,
) -> impl Stream<Item = Result<Vec<Permit>, Error>> + Send + Unpin + use<> {
    let pages = Pages::new(odoo, schema, domains, limit).with_page_size(PAGE_SIZE);
    Box::pin(stream::try_unfold(pages, async |mut pages| {
        Ok(pages.next_page().await?.map(|page| (page, pages)))
    }))
}

/// A name for this process in the ledger that no other ever had: host, process and a random number.
#[must_use]
pub fn worker_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{host}:{}:{:08x}", std::process::id(), rand::random::<u32>())
}
