//! The whole listing, into Odoo's ledger.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::imported::{Imported, Remark};
use super::page::{self, PageRead};
use super::paging::Paging;
use super::repeats::Repetition;
use super::seen::Seen;
use super::store::{Ledger, Store};
use super::sweep::{Swept, sweep_in};
use crate::odoo::permit;
use crate::odoo::run::{self, ListedPermit, Reply, Unlisted};
use crate::outbound::Traffic;
use crate::sicantik::Error;
use crate::sync::end::Halt;
use crate::sync::heartbeat;
use crate::sync::server::LicensingServer;

/// A listing that still shows new permits after so many sweeps moves faster than it can be read.
const MOST_SWEEPS: u32 = 6;

/// The listing is swept so often for rows of which it is not known whether they are junk.
const SWEEPS_TO_DECIDE: u32 = 2;

/// Looks back at the front, at most, before the listing is swept once more.
const MOST_LOOKS: u32 = 10;

/// Pages that may wait to be stored. With those in flight it bounds what is held in memory.
const WAITING_PAGES: usize = 2;

/// What to import, and where to.
#[derive(Debug)]
pub struct Import<'a, L> {
    /// The server. The import stops with it.
    pub server: &'a L,
    /// In which pages to read the listing.
    pub paging: Paging,
    /// The run in Odoo; none for a dry run.
    pub ledger: Option<Ledger<'a>>,
    /// See [`crate::sync::Work::wake`].
    pub wake: Arc<Notify>,
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

/// Reads the listing until nothing can have been missed, and has it stored page by page. `report`
/// is called after each page.
pub async fn import<L: LicensingServer>(
    job: Import<'_, L>,
    report: &mut (dyn FnMut(&Imported) + Send),
) -> ImportEnded {
    let before = job.server.gate().traffic();
    let stop = job.server.stop().clone();
    let mut importer = Importer {
        store: Store::new(job.ledger, job.server.gate().lease(heartbeat::GATE_LEASE)),
        stopping: Box::pin(async move {
            stop.cancelled().await;
            tokio::time::sleep(heartbeat::GRACE).await;
        }),
        paging: job.paging,
        job,
        report,
        before,
        started: Instant::now(),
        seen: Seen::default(),
        end: None,
        has_repeated: false,
        imported: Imported::default(),
    };
    let halt = importer.run().await.err();
    importer.note();
    ImportEnded { imported: importer.imported, last_batch: importer.store.last_batch(), halt }
}

struct Importer<'a, 'r, L> {
    job: Import<'a, L>,
    report: &'r mut (dyn FnMut(&Imported) + Send),
    before: Traffic,
    started: Instant,
    /// Ready when the work has to stop and its grace period is over.
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// In which pages the listing is read: smaller than was asked for where the server gives no
    /// larger ones.
    paging: Paging,
    seen: Seen,
    store: Store<'a>,
    /// How many rows the last sweep found.
    end: Option<u32>,
    /// Whether a sweep has ended where pages repeated any others.
    has_repeated: bool,
    imported: Imported,
}

/// What pages that repeat others mean.
enum Verdict {
    /// The listing is at its end.
    Ended,
    /// Rows have moved: it is swept again.
    Moved,
    /// It is read anew, in another form of the parameters.
    Anew,
    /// It cannot be read to its end.
    Hopeless,
}

impl<L: LicensingServer> Importer<'_, '_, L> {
    async fn run(&mut self) -> Result<(), Halt> {
        let result = self.read().await;
        if !matches!(result, Err(Halt::Odoo(_) | Halt::Lost)) {
            self.note();
            if result.is_ok() {
                // Otherwise rows that belong with these may be unread: they wait for the next run.
                self.store.release();
            }
            // What has been read is stored, however the reading ended.
            self.store.all(self.imported.listing).await?;
        }
        self.imported.complete = result?;
        self.compare().await
    }

    /// Reads the listing; answers whether it was read completely.
    async fn read(&mut self) -> Result<bool, Halt> {
        self.store.read_numbers().await?;
        let mut is_first = true;
        // A change of form begins anew.
        let mut anew = 0;
        for sweep in 0..MOST_SWEEPS {
            let known = self.seen.registrations();
            self.seen.begin();
            match self.sweep_once(self.paging.phase(sweep - anew)).await? {
                Swept::Whole { end } => self.end = Some(end),
                Swept::Repeating { what, end } => match self.judge(what, end) {
                    Verdict::Ended => {}
                    Verdict::Moved => {
                        is_first = false;
                        continue;
                    }
                    Verdict::Anew => {
                        anew = sweep + 1;
                        continue;
                    }
                    Verdict::Hopeless => return Ok(false),
                },
                Swept::Capped { rows } => {
                    self.paging = Paging::within(rows);
                    continue;
                }
                // Nothing is known of what follows unanswered pages.
                Swept::CutShort | Swept::ReceiverClosed => return Ok(false),
            }
            self.seen.end();
            // The first sweep is complete if nothing moved; a later one, if it shows nothing new.
            let is_settled =
                if is_first { !self.seen.has_moved() } else { self.seen.registrations() == known };
            is_first = false;
            // A row that moved too fast to be told from junk is looked at once more.
            let may_decide = sweep < SWEEPS_TO_DECIDE;
            let is_settled = is_settled && (self.seen.is_decided() || !may_decide);
            tracing::debug!(sweep, permits = self.seen.len(), is_settled, "The listing was swept");
            if is_settled && self.look_back().await? && (self.seen.is_decided() || !may_decide) {
                // An empty listing means a broken server; mark no permit as unlisted.
                return Ok(self.seen.counts().1 == 0 && self.seen.len() > 0);
            }
        }
        Ok(false)
    }

    /// What it means that a sweep has ended after `end` rows because pages repeat others.
    fn judge(&mut self, what: Repetition, end: u32) -> Verdict {
        tracing::warn!(?what, end, "SICANTIK's listing repeats rows and names no end");
        self.end = Some(end);
        match what {
            // Behind the last row that is as good as none.
            Repetition::Last => Verdict::Ended,
            Repetition::First if self.job.server.use_other_form() => {
                self.end = None;
                Verdict::Anew
            }
            Repetition::First => {
                self.imported.remark = Some(Remark::OffsetIgnored);
                Verdict::Hopeless
            }
            // Rows that came in at the front look the same, but not twice.
            Repetition::Any if std::mem::replace(&mut self.has_repeated, true) => {
                self.imported.remark = Some(Remark::NoEnd);
                Verdict::Hopeless
            }
            Repetition::Any => Verdict::Moved,
        }
    }

    async fn sweep_once(&mut self, paging: Paging) -> Result<Swept, Halt> {
        let (sender, mut pages) = mpsc::channel(WAITING_PAGES);
        let (server, expected) = (self.job.server.clone(), self.end);
        // A task of its own, so that answers are taken while Odoo is waited for. Dropping it ends
        // it.
        let mut sweeping = JoinSet::new();
        sweeping.spawn(async move { sweep_in(&server, paging, expected, &sender).await });
        while let Some(page) = self.next(&mut pages).await? {
            let news = self.seen.take(&page, paging);
            self.pass_on(news).await?;
        }
        self.join(sweeping).await
    }

    /// Looks at the front again, and at the pages behind it as long as they hold nothing known,
    /// until the front shows nothing new. Answers whether it got that far.
    async fn look_back(&mut self) -> Result<bool, Halt> {
        let began = self.seen.now();
        let mut offset = 0;
        for _ in 0..MOST_LOOKS {
            let page = self.look_at(offset).await?;
            let glance = self.seen.glance(&page, began);
            self.pass_on(glance.news).await?;
            if page.rows.is_empty() && offset == 0 && self.seen.registrations() > 0 {
                // A stray answer: there were rows a moment ago.
                continue;
            }
            if !glance.has_new && offset == 0 {
                return Ok(true);
            }
            offset = if glance.may_go_on { offset + self.paging.step } else { 0 };
        }
        Ok(false)
    }

    async fn look_at(&mut self, offset: u32) -> Result<PageRead, Halt> {
        let (sender, mut pages) = mpsc::channel(1);
        let (server, limit) = (self.job.server.clone(), self.paging.limit());
        let mut looking = JoinSet::new();
        looking.spawn(async move {
            let reading = page::read(&server, offset, limit).await?;
            // Nobody receives once the import has stopped.
            let _ = sender.send(reading.page).await;
            Ok(())
        });
        match self.next(&mut pages).await? {
            Some(page) => Ok(page),
            None => self.join(looking).await.map(|()| PageRead::default()),
        }
    }

    /// The result of a task that reads.
    async fn join<T: 'static>(
        &mut self,
        mut reading: JoinSet<Result<T, Error>>,
    ) -> Result<T, Halt> {
        let read = reading.join_next().await.expect("a task was spawned");
        read.expect("reading does not panic").map_err(|error| self.halt(error))
    }

    /// The next page that is read. Meanwhile heartbeats are sent.
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
                () = self.store.heartbeat_due() => {}
                page = pages.recv() => return Ok(page),
            }
            self.send().await?;
        }
    }

    async fn pass_on(&mut self, news: Vec<ListedPermit>) -> Result<(), Halt> {
        self.imported.listing.pages += 1;
        self.store.keep(news);
        self.note();
        (self.report)(&self.imported);
        while self.store.is_due() {
            self.send().await?;
        }
        Ok(())
    }

    /// Stores what waits, or sends a mere heartbeat.
    async fn send(&mut self) -> Result<(), Halt> {
        self.note();
        self.store.some(self.imported.listing).await
    }

    /// Tells Odoo which of its permits the listing has no longer, and which it has again.
    async fn compare(&mut self) -> Result<(), Halt> {
        let Some(ledger) = self.job.ledger else { return Ok(()) };
        let mut unlisted = Unlisted::default();
        if self.imported.complete {
            let mut pages = permit::registered(ledger.odoo, ledger.connector_id);
            while let Some(page) = pages.next_page().await? {
                for permit in page {
                    match (self.seen.contains(&permit.registration_id), permit.listed) {
                        (false, true) => unlisted.missing.push(permit.id),
                        (true, false) => unlisted.again.push(permit.id),
                        (false, false) | (true, true) => {}
                    }
                }
                if self.store.is_due() {
                    self.send().await?;
                }
            }
            self.imported.unlisted = Some(unlisted.missing.len() as u64);
        }
        let complete = self.imported.complete;
        let Ledger { odoo, run_id, worker, .. } = ledger;
        match run::listing_done(odoo, run_id, worker, complete, &unlisted).await? {
            // Step one is over: a stop is for the next step to hear.
            Reply::Go(_) | Reply::Stop(_) => Ok(()),
            Reply::Lost => Err(Halt::Lost),
        }
    }

    /// Brings the figures up to date.
    fn note(&mut self) {
        let traffic = self.job.server.gate().traffic();
        let listing = &mut self.imported.listing;
        listing.requests = traffic.requests - self.before.requests;
        listing.retries = traffic.retries - self.before.retries;
        listing.listed = self.seen.len() as u64;
        (listing.junk, listing.skipped) = self.seen.counts();
        listing.nameless = self.seen.nameless();
        listing.upgraded = self.seen.upgraded;
        self.imported.stored = self.store.stored();
        self.imported.elapsed = self.started.elapsed();
    }

    fn halt(&self, error: Error) -> Halt {
        match error {
            Error::Stopped => Halt::Interrupted,
            error if self.imported.listing.pages == 0 => Halt::Away(error),
            error => Halt::Sicantik(error),
        }
    }
}
