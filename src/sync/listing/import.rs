//! The whole listing, into Odoo's ledger.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::page::{self, PageRead};
use super::plan::Sweep;
use super::seen::Seen;
use super::store::{Ledger, Store};
use super::sweep::{Swept, sweep_in};
use crate::odoo::permit::RegisteredPages;
use crate::odoo::run::{self, ListedPermit, ListingProgress, RecordedListing, Unlisted};
use crate::sync::batch::fenced;
use crate::sync::expiry::Halt;
use crate::{outbound, sicantik};

/// How long pages on their way are waited for when the work has to stop.
const GRACE: Duration = Duration::from_secs(1);

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
    /// See [`crate::sync::Work::wake`].
    pub wake: Arc<Notify>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Imported {
    /// Pages, rows, requests.
    pub listing: ListingProgress,
    /// Permits made, changed, and left as they were.
    pub stored: RecordedListing,
    /// Permits of Odoo that have left the listing since it was last read whole; not known unless it was now.
    pub unlisted: Option<u64>,
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
    let stop = job.sicantik.stop().clone();
    let mut importer = Importer {
        store: Store::new(job.ledger),
        stopping: Box::pin(async move {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        }),
        how: job.how,
        job,
        report,
        before,
        started: Instant::now(),
        seen: Seen::default(),
        end: None,
        imported: Imported::default(),
    };
    let halt = importer.run().await.err();
    importer.note();
    ImportEnded { imported: importer.imported, last_batch: importer.store.last_batch(), halt }
}

struct Importer<'a, 'r> {
    job: Import<'a>,
    report: &'r mut (dyn FnMut(&Imported) + Send),
    before: outbound::Traffic,
    started: Instant,
    /// Ready when the work has been told to stop and no more is waited for.
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// How the listing is read: as was asked for, or in smaller pages where SICANTIK gives no larger ones.
    how: Sweep,
    seen: Seen,
    store: Store<'a>,
    /// How many rows the last sweep found.
    end: Option<u32>,
    imported: Imported,
}

impl Importer<'_, '_> {
    async fn run(&mut self) -> Result<(), Halt> {
        let result = self.read().await;
        if !matches!(result, Err(Halt::Odoo(_) | Halt::Lost)) {
            self.note();
            if result.is_ok() {
                // Otherwise more rows may belong with these, unread: they wait for the next run.
                self.store.release();
            }
            // What has been read is stored, however the reading ended.
            self.store.all(self.imported.listing).await?;
        }
        self.imported.complete = result?;
        self.compare().await
    }

    /// Whether the listing was read whole.
    async fn read(&mut self) -> Result<bool, Halt> {
        self.store.learn_numbers().await?;
        let mut is_first = true;
        for sweep in 0..MOST_SWEEPS {
            let known = self.seen.registrations();
            self.seen.begin();
            match self.sweep_once(self.how.phase(sweep)).await? {
                Swept::Whole { end } => self.end = Some(end),
                Swept::Capped { rows } => {
                    self.how = Sweep::within(rows);
                    continue;
                }
                // Behind what is not answered nothing is known.
                Swept::CutShort | Swept::Unheard => return Ok(false),
            }
            self.seen.end();
            // A second sweep is complete when it shows nothing that the first has not shown; the first, when nothing moved.
            let is_settled =
                if is_first { !self.seen.has_moved() } else { self.seen.registrations() == known };
            is_first = false;
            tracing::debug!(sweep, permits = self.seen.len(), is_settled, "The listing was swept");
            if is_settled && self.look_back().await? {
                // A server that lists nothing at all has lost its data, not its permits.
                return Ok(self.seen.counts().1 == 0 && self.seen.len() > 0);
            }
        }
        Ok(false)
    }

    async fn sweep_once(&mut self, how: Sweep) -> Result<Swept, Halt> {
        let (sender, mut pages) = mpsc::channel(WAITING_PAGES);
        let (sicantik, expected) = (self.job.sicantik.clone(), self.end);
        // A task of its own: answers come in while Odoo is waited for. It ends when it is dropped.
        let mut sweeping = JoinSet::new();
        sweeping.spawn(async move { sweep_in(&sicantik, how, expected, &sender).await });
        while let Some(page) = self.next(&mut pages).await? {
            let news = self.seen.take(&page, how);
            self.passed_on(news).await?;
        }
        self.joined(sweeping).await
    }

    /// Looks at the front again, and at what stands behind it as long as nothing there is known, until the front shows
    /// nothing new. Whether that came to pass.
    async fn look_back(&mut self) -> Result<bool, Halt> {
        let began = self.seen.now();
        let mut offset = 0;
        for _ in 0..MOST_LOOKS {
            let page = self.look_at(offset).await?;
            let glance = self.seen.glance(&page, began);
            self.passed_on(glance.news).await?;
            if page.rows.is_empty() && offset == 0 && self.seen.registrations() > 0 {
                // A stray answer: a moment ago there were rows.
                continue;
            }
            if glance.is_stale && offset == 0 {
                return Ok(true);
            }
            offset = if glance.may_go_on { offset + self.how.step } else { 0 };
        }
        Ok(false)
    }

    async fn look_at(&mut self, offset: u32) -> Result<PageRead, Halt> {
        let (sender, mut pages) = mpsc::channel(1);
        let (sicantik, limit) = (self.job.sicantik.clone(), self.how.limit());
        let mut looking = JoinSet::new();
        looking.spawn(async move {
            let reading = page::read(&sicantik, offset, limit).await?;
            // Who does not receive has stopped the import.
            let _ = sender.send(reading.page).await;
            Ok(())
        });
        match self.next(&mut pages).await? {
            Some(page) => Ok(page),
            None => self.joined(looking).await.map(|()| PageRead::default()),
        }
    }

    /// What a task that reads has come to.
    async fn joined<T: 'static>(
        &mut self,
        mut reading: JoinSet<Result<T, sicantik::Error>>,
    ) -> Result<T, Halt> {
        let read = reading.join_next().await.expect("a task was spawned");
        read.expect("reading does not panic").map_err(|error| self.halt(error))
    }

    /// The next page that is read. Meanwhile Odoo hears that the work goes on.
    async fn next(
        &mut self,
        pages: &mut mpsc::Receiver<PageRead>,
    ) -> Result<Option<PageRead>, Halt> {
        let wake = Arc::clone(&self.job.wake);
        loop {
            tokio::select! {
                biased;
                () = &mut self.stopping => return Err(Halt::Interrupted),
                () = wake.notified() => {}
                () = self.store.silence() => {}
                page = pages.recv() => return Ok(page),
            }
            self.tell().await?;
        }
    }

    async fn passed_on(&mut self, news: Vec<ListedPermit>) -> Result<(), Halt> {
        self.imported.listing.pages += 1;
        self.store.keep(news);
        self.note();
        (self.report)(&self.imported);
        while self.store.is_due() {
            self.tell().await?;
        }
        Ok(())
    }

    /// Stores what waits, or only says that the work goes on.
    async fn tell(&mut self) -> Result<(), Halt> {
        self.note();
        let gate = self.job.sicantik.gate();
        fenced(self.store.some(self.imported.listing), &|length| gate.pause_for(length)).await
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
                        (false, false) | (true, true) => {}
                    }
                }
                if self.store.is_due() {
                    self.tell().await?;
                }
            }
            self.imported.unlisted = Some(unlisted.missing.len() as u64);
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
        (listing.junk, listing.skipped) = self.seen.counts();
        listing.upgraded = self.seen.upgraded;
        self.imported.stored = self.store.stored();
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
