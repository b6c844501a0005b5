//! A run of the ledger, from its claim to its end.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::end::{Ended, Halt};
use super::expiry::{self, Due, LedgerSink, ListingUse, Work};
use super::listing::{self, Import, ImportEnded, Imported, Ledger, Paging};
use super::outcome::Counts;
use super::progress::{Progress, Reporter};
use super::server::LicensingServer;
use crate::odoo::run::{self, Claim, EndCode, Ending, Kind, Remaining, Reply, Selection, State};
use crate::odoo::{Client, Error, Schema, permit};
use crate::outbound::Traffic;

/// Rows of the listing in one page, where the connector does not say.
pub const DEFAULT_PAGE_SIZE: u32 = 100;

/// A run that this process holds.
#[derive(Debug)]
pub struct ClaimedRun<'a> {
    /// Odoo, with the retry budget that the run deserves.
    pub odoo: &'a Client,
    /// Which fields Odoo's models have.
    pub schema: &'a Schema,
    /// The name under which it is held.
    pub worker: &'a str,
    /// What it is about.
    pub kind: Kind,
    /// What Odoo said when it was claimed.
    pub claim: Claim,
    /// See [`Work::wake`].
    pub wake: Arc<Notify>,
}

impl ClaimedRun<'_> {
    /// Does what the run is about until it is done or `stop`, which must be the token that `server`
    /// stops on, is cancelled.
    pub async fn work(
        &self,
        server: &impl LicensingServer,
        stop: &CancellationToken,
        reporter: &mut dyn Reporter,
    ) -> Ended {
        let claim = &self.claim;
        let page_size = claim.connector.page_size.unwrap_or(DEFAULT_PAGE_SIZE);
        match self.kind {
            Kind::Check => self.check().await,
            Kind::Permits => {
                let ImportEnded { imported, halt, .. } =
                    self.import(server, page_size, reporter).await;
                Ended { imported: Some(imported), halt, ..Ended::default() }
            }
            Kind::All => self.listing_then_rest(server, page_size, stop, reporter).await,
            Kind::Expiry => {
                let ask_undated = claim.include_not_due;
                let listing = ListingUse::Look { page_size, ask_undated };
                let limit = claim
                    .max_permits
                    .map(|most| (most as usize).saturating_sub(claim.answered as usize));
                let due = Due { domains: claim.domains.clone(), total: claim.total, limit };
                let sink = self.sink(claim.last_batch, Traffic::default());
                self.expiry(due, listing, sink, server, stop, reporter).await
            }
        }
    }

    /// Has Odoo mark the permits whose date has passed, which needs no server.
    pub async fn check(&self) -> Ended {
        match run::check(self.odoo, self.claim.run_id, self.worker).await {
            // It is one call: a stop comes too late.
            Ok(Reply::Go(checked) | Reply::Stop(checked)) => {
                if checked.refused > 0 {
                    tracing::warn!(
                        run.id = self.claim.run_id,
                        permits = checked.refused,
                        "Odoo refused to mark permits as expired; the run's lines say why"
                    );
                }
                let counts = Counts { failed: checked.refused, ..Counts::default() };
                let total = checked.expired + checked.refused;
                Ended {
                    progress: Progress { total, counts, ..Progress::default() },
                    ..Ended::default()
                }
            }
            Ok(Reply::Lost) => Ended::early(Halt::Lost),
            Err(error) => Ended::early(Halt::Odoo(error)),
        }
    }

    /// Step one, then step two for what it left without a date.
    async fn listing_then_rest(
        &self,
        server: &impl LicensingServer,
        page_size: u32,
        stop: &CancellationToken,
        reporter: &mut dyn Reporter,
    ) -> Ended {
        let claim = &self.claim;
        let (imported, last_batch) = if claim.listing_done {
            // An earlier attempt has read it.
            (None, claim.last_batch)
        } else {
            let ended = self.import(server, page_size, reporter).await;
            if let Some(halt) = ended.halt {
                return Self::after_listing(Ended::early(halt), Some(ended.imported));
            }
            (Some(ended.imported), ended.last_batch)
        };
        let due = match run::remaining(self.odoo, claim.run_id, self.worker).await {
            Ok(Reply::Go(remaining)) => self.remaining(remaining),
            Ok(Reply::Stop(_)) => {
                return Self::after_listing(Ended::early(Halt::Cancelled), imported);
            }
            Ok(Reply::Lost) => return Self::after_listing(Ended::early(Halt::Lost), imported),
            Err(error) => return Self::after_listing(Ended::early(Halt::Odoo(error)), imported),
        };
        let sink = self.sink(last_batch, traffic(imported.as_ref()));
        let ended = self.expiry(due, ListingUse::Done, sink, server, stop, reporter).await;
        Self::after_listing(ended, imported)
    }

    fn remaining(&self, remaining: Remaining) -> Due {
        let Remaining { domains, total, limit } = remaining;
        let answered = Counts::from_labels(&self.claim.counts).answered();
        Due { domains, total: answered + total, limit: (limit > 0).then_some(limit as usize) }
    }

    /// How a run of both steps ended, of which the second ended as `ended`.
    fn after_listing(ended: Ended, imported: Option<Imported>) -> Ended {
        let mut progress = ended.progress;
        let Traffic { requests, retries } = traffic(imported.as_ref());
        progress.requests += requests;
        progress.retries += retries;
        progress.upgraded = imported.and_then(|imported| imported.listing.upgraded);
        Ended { progress, imported, ..ended }
    }

    async fn import(
        &self,
        server: &impl LicensingServer,
        page_size: u32,
        reporter: &mut dyn Reporter,
    ) -> ImportEnded {
        let claim = &self.claim;
        let ledger = Ledger {
            odoo: self.odoo,
            run_id: claim.run_id,
            worker: self.worker,
            connector_id: claim.connector.id,
            last_batch: claim.last_batch,
        };
        let paging = Paging::of(page_size);
        let wake = Arc::clone(&self.wake);
        let job = Import { server, paging, ledger: Some(ledger), wake };
        listing::import(job, &mut |imported| reporter.report_listing(imported)).await
    }

    async fn expiry(
        &self,
        due: Due,
        listing: ListingUse,
        mut sink: LedgerSink,
        server: &impl LicensingServer,
        stop: &CancellationToken,
        reporter: &mut dyn Reporter,
    ) -> Ended {
        let work = Work {
            pages: || due.pages(self.odoo, self.schema),
            total: due.total,
            earlier: Counts::from_labels(&self.claim.counts),
            listing,
            wake: Arc::clone(&self.wake),
        };
        let mut ended = expiry::run(work, server, &mut sink, stop, reporter).await;
        if ended.halt.is_none() && ended.progress.counts.answered() < due.total {
            ended.hidden = self.hidden().await;
        }
        ended
    }

    /// How many of the permits that are still due Odoo counts, and does not let its user read.
    async fn hidden(&self) -> u64 {
        let include_not_due = self.claim.include_not_due;
        let selection = Selection { include_not_due, ..Selection::default() };
        let (odoo, connector_id) = (self.odoo, self.claim.connector.id);
        let hidden = match run::plan(odoo, connector_id, &selection).await {
            Ok(plan) => permit::count(odoo, &plan.domains)
                .await
                .map(|readable| plan.total.saturating_sub(readable)),
            Err(error) => Err(error),
        };
        hidden.unwrap_or_else(|error| {
            tracing::debug!(%error, "Whether permits are hidden is not known");
            0
        })
    }

    fn sink(&self, last_batch: u64, earlier: Traffic) -> LedgerSink {
        LedgerSink::new(self.odoo, self.claim.run_id, self.worker, last_batch, earlier)
    }

    /// Writes the run's end into the ledger, if it is still held, and takes over what the ledger
    /// has counted. Work that was done for a run that is lost by now ends as [`Halt::Lost`].
    ///
    /// # Errors
    ///
    /// What Odoo answers. Then the run's lease runs out, and whoever claims it next continues it,
    /// or Odoo ends it if it was a command's.
    pub async fn finish(&self, ended: &mut Ended) -> Result<(), Error> {
        let halt = ended.halt.as_ref();
        let hidden = (ended.hidden > 0).then(|| ended.hidden.to_string());
        let (state, code) = match halt.map(Halt::ending) {
            None => (State::Done, hidden.as_ref().map(|_| EndCode::Hidden)),
            Some(Some((state, code))) => (state, Some(code)),
            Some(None) => return Ok(()),
        };
        // What is amiss with the listing is said where nothing worse is.
        let remark = ended.imported.as_ref().and_then(|imported| imported.remark);
        let remark = || remark.map(|remark| remark.to_string());
        let ending = Ending {
            state,
            code,
            message: &halt.map(Halt::detail).or(hidden).or_else(remark).unwrap_or_default(),
            progress: (&ended.progress).into(),
        };
        let run_id = self.claim.run_id;
        match run::finish(self.odoo, run_id, self.worker, ending).await?.done() {
            Some(counts) => ended.progress.counts = Counts::from_labels(&counts),
            None => {
                ended.halt.get_or_insert(Halt::Lost);
            }
        }
        Ok(())
    }
}

/// What reading the listing has sent to the server.
fn traffic(imported: Option<&Imported>) -> Traffic {
    imported.map_or_else(Traffic::default, |imported| {
        let listing = imported.listing;
        Traffic { requests: listing.requests, retries: listing.retries }
    })
}

/// A name for this process in the ledger that no other has: host, process and a random number.
#[must_use]
pub fn worker_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{host}:{}:{:08x}", std::process::id(), rand::random::<u32>())
}
