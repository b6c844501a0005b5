//! The whole listing, into Odoo's ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

use super::page::{self, PageRead};
use super::seen::Seen;
use super::sweep::{Sweep, sweep};
use crate::odoo::Client;
use crate::odoo::permit::RegisteredPages;
use crate::odoo::run::{self, ListedPermit, ListingProgress, Next, RecordedListing, Unlisted};
use crate::sicantik;
use crate::sync::expiry::Halt;

/// Rows that go to Odoo in one call, at least, while more are coming.
const BATCH: usize = 300;

/// The longest that Odoo hears nothing: the run's lease has to be renewed, and a press on *Stop* to be heard.
const LONGEST_SILENCE: Duration = Duration::from_secs(4);

/// A listing that still shows new permits after so many sweeps moves faster than it can be read.
const MOST_SWEEPS: u32 = 6;

/// Looks back at the front, at most, before the listing is swept once more.
const MOST_LOOKS: u32 = 10;

/// Pages that may wait to be stored. With those in flight it bounds what is held in memory.
const WAITING_PAGES: usize = 2;

/// What to import, and where to.
#[derive(Debug)]
pub struct Import<'a> {
    /// SICANTIK. When its client has to stop, the import does.
    pub sicantik: &'a sicantik::Client,
    /// How to read the listing.
    pub how: Sweep,
    /// Odoo, and the run that `worker` holds there; none for a dry run.
    pub ledger: Option<Ledger<'a>>,
    /// See [`crate::sync::Work::nudge`].
    pub nudge: Arc<Notify>,
}

/// A run in Odoo's ledger.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    /// Odoo.
    pub odoo: &'a Client,
    /// The run.
    pub run_id: i64,
    /// Who holds it.
    pub worker: &'a str,
    /// Its connector.
    pub connector_id: i64,
    /// Its last batch so far.
    pub last_batch: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Imported {
    /// Pages, rows, requests.
    pub listing: ListingProgress,
    /// Permits made, changed, and left as they were.
    pub stored: RecordedListing,
    /// Permits of Odoo that the listing no longer has; only known when it was read whole.
    pub unlisted: u64,
    /// Whether nothing can have been missed.
    pub complete: bool,
    /// How long it took.
    pub elapsed: Duration,
}

/// How the import ended.
#[derive(Debug)]
pub struct ImportEnded {
    /// What came of it so far.
    pub imported: Imported,
    /// The run's last batch.
    pub last_batch: u64,
    /// Why it did not come to its end.
    pub halt: Option<Halt>,
}

/// Reads the listing until nothing can have been missed, and has it stored page by page. `report` hears of each page.
pub async fn import(job: Import<'_>, report: &mut (dyn FnMut(&Imported) + Send)) -> ImportEnded {
    let before = job.sicantik.gate().traffic();
    let mut importer = Importer {
        last_batch: job.ledger.map_or(0, |ledger| ledger.last_batch),
        job,
        report,
        before,
        started: Instant::now(),
        seen: Seen::default(),
        waiting: Vec::new(),
        end: None,
        imported: Imported::default(),
        last_call: Instant::now(),
    };
    let halt = importer.run().await.err();
    importer.note();
    ImportEnded { imported: importer.imported, last_batch: importer.last_batch, halt }
}

struct Importer<'a, 'r> {
    job: Import<'a>,
    report: &'r mut (dyn FnMut(&Imported) + Send),
    before: sicantik::Traffic,
    started: Instant,
    seen: Seen,
    /// Permits on their way to Odoo.
    waiting: Vec<ListedPermit>,
    /// The index of the first page past the end, in the last sweep.
    end: Option<u32>,
    imported: Imported,
    last_batch: u64,
    last_call: Instant,
}

impl Importer<'_, '_> {
    async fn run(&mut self) -> Result<(), Halt> {
        let result = self.read().await;
        if !matches!(result, Err(Halt::Odoo(_) | Halt::Lost)) {
            // What has been read is stored, however the reading ended.
            self.store_all().await?;
        }
        self.imported.complete = result?;
        self.compare().await
    }

    /// Whether the listing was read whole.
    async fn read(&mut self) -> Result<bool, Halt> {
        for sweep in 1..=MOST_SWEEPS {
            let known = self.seen.len();
            self.seen.begin();
            self.sweep_once().await?;
            // A second sweep is complete when it shows nothing that the first has not shown; the first, when nothing moved.
            let is_settled =
                if sweep == 1 { !self.seen.has_moved() } else { self.seen.len() == known };
            tracing::debug!(sweep, permits = self.seen.len(), is_settled, "The listing was swept");
            if is_settled && self.look_back().await? {
                // A server that lists nothing at all has lost its data, not its permits.
                return Ok(self.seen.skipped == 0 && self.seen.len() > 0);
            }
        }
        Ok(false)
    }

    async fn sweep_once(&mut self) -> Result<(), Halt> {
        let (sender, pages) = mpsc::channel(WAITING_PAGES);
        let sicantik = self.job.sicantik.clone();
        let how = self.job.how;
        // The sender goes with the sweep's end, which ends the receiving; the receiver goes with the end of the receiving,
        // which ends the sweep.
        let expected = self.end;
        let sweeping = async move { sweep(&sicantik, how, expected, &sender).await };
        let importer = &mut *self;
        let receiving = async move { importer.receive(pages, how).await };
        let (swept, received) = tokio::join!(sweeping, receiving);
        received?;
        self.end = Some(swept.map_err(|error| self.halt(error))?);
        Ok(())
    }

    async fn receive(
        &mut self,
        mut pages: mpsc::Receiver<PageRead>,
        how: Sweep,
    ) -> Result<(), Halt> {
        let nudge = Arc::clone(&self.job.nudge);
        loop {
            let page = tokio::select! {
                page = pages.recv() => page,
                () = nudge.notified() => {
                    self.store().await?;
                    continue;
                }
                () = tokio::time::sleep(LONGEST_SILENCE) => {
                    self.store().await?;
                    continue;
                }
            };
            let Some(page) = page else { return Ok(()) };
            let news = self.seen.take(&page, how);
            self.passed_on(news).await?;
        }
    }

    /// Looks at the front again, and at what stands behind it as long as it is all new, until the front shows nothing
    /// new. Whether that came to pass.
    async fn look_back(&mut self) -> Result<bool, Halt> {
        let how = self.job.how;
        let mut offset = 0;
        for _ in 0..MOST_LOOKS {
            let page = page::read(self.job.sicantik, offset, how.limit())
                .await
                .map_err(|error| self.halt(error))?;
            let known = self.seen.len();
            let news = self.seen.glance(&page);
            let fresh = self.seen.len() - known;
            self.passed_on(news).await?;
            if fresh == 0 && offset == 0 {
                return Ok(true);
            }
            // More may stand behind a page that is new from end to end.
            let is_all_new = fresh > 0 && fresh == page.rows.len();
            offset = if is_all_new { offset + how.step } else { 0 };
        }
        Ok(false)
    }

    async fn passed_on(&mut self, news: Vec<ListedPermit>) -> Result<(), Halt> {
        self.imported.listing.pages += 1;
        self.waiting.extend(news);
        self.note();
        (self.report)(&self.imported);
        if self.waiting.len() >= BATCH || self.last_call.elapsed() >= LONGEST_SILENCE {
            self.store().await?;
        }
        Ok(())
    }

    /// Stores all that waits and tells Odoo the numbers as they are in the end, even where nothing waits.
    async fn store_all(&mut self) -> Result<(), Halt> {
        loop {
            self.store().await?;
            if self.waiting.is_empty() {
                return Ok(());
            }
        }
    }

    /// Stores what waits, or only says that the work goes on.
    async fn store(&mut self) -> Result<(), Halt> {
        self.note();
        let most = self.waiting.len().min(2 * BATCH);
        let rows: Vec<ListedPermit> = self.waiting.drain(..most).collect();
        self.last_call = Instant::now();
        let Some(ledger) = self.job.ledger else { return Ok(()) };
        let batch = if rows.is_empty() { 0 } else { self.last_batch + 1 };
        let stored = run::record_listing(
            ledger.odoo,
            ledger.run_id,
            ledger.worker,
            batch,
            &rows,
            self.imported.listing,
        )
        .await?;
        if stored.answer == Next::Lost {
            return Err(Halt::Lost);
        }
        self.last_batch = self.last_batch.max(batch);
        let sum = &mut self.imported.stored;
        sum.rejected += stored.rejected;
        sum.created += stored.created;
        sum.updated += stored.updated;
        sum.unchanged += stored.unchanged;
        sum.dated += stored.dated;
        if stored.answer == Next::Stop { Err(Halt::Cancelled) } else { Ok(()) }
    }

    /// Finds the permits of Odoo that the listing has no longer, or again, and says so.
    async fn compare(&mut self) -> Result<(), Halt> {
        let Some(ledger) = self.job.ledger else { return Ok(()) };
        let mut unlisted = Unlisted::default();
        if self.imported.complete {
            let mut pages = RegisteredPages::new(ledger.odoo, ledger.connector_id);
            while let Some(page) = pages.next_page().await? {
                for permit in page {
                    match (self.seen.contains(&permit.registration_id), permit.listed) {
                        (false, true) => unlisted.missing.push(permit.id),
                        (true, false) => unlisted.again.push(permit.id),
                        (false, false) => self.imported.unlisted += 1,
                        (true, true) => {}
                    }
                }
            }
            self.imported.unlisted += unlisted.missing.len() as u64;
        }
        let complete = self.imported.complete;
        let held =
            run::listing_done(ledger.odoo, ledger.run_id, ledger.worker, complete, &unlisted)
                .await?;
        if held { Ok(()) } else { Err(Halt::Lost) }
    }

    /// Brings the numbers up to date.
    fn note(&mut self) {
        let traffic = self.job.sicantik.gate().traffic();
        let listing = &mut self.imported.listing;
        listing.requests = traffic.requests - self.before.requests;
        listing.retries = traffic.retries - self.before.retries;
        listing.listed = self.seen.len() as u64;
        listing.junk = self.seen.junk;
        listing.skipped = self.seen.skipped;
        listing.upgraded = self.seen.upgraded;
        self.imported.elapsed = self.started.elapsed();
    }

    fn halt(&self, error: sicantik::Error) -> Halt {
        match error {
            sicantik::Error::Stopped => Halt::Interrupted,
            error if self.imported.listing.pages == 0 => Halt::Away(error),
            error => Halt::Sicantik(error),
        }
    }
}
