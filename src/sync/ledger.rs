//! A run of the ledger, from its claim to its end.

use std::sync::Arc;

use futures::{Stream, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::expiry::{self, Ended, Halt, Work};
use super::progress::Reporter;
use super::sink::LedgerSink;
use crate::odoo::permit::Pages;
use crate::odoo::run::{self, End, Payload};
use crate::odoo::{Client, Domain, Error, Permit, Schema};
use crate::sicantik;

/// Permits read in one call.
const PAGE_SIZE: usize = 1_000;

/// A run that this process holds.
#[derive(Debug)]
pub struct Held<'a> {
    /// Odoo, with the patience that the run deserves.
    pub odoo: &'a Client,
    /// Which fields Odoo's models have.
    pub schema: &'a Schema,
    /// The name under which it is held.
    pub worker: &'a str,
    /// What Odoo said when it was claimed.
    pub payload: Payload,
    /// See [`Work::nudge`].
    pub nudge: Arc<Notify>,
}

impl Held<'_> {
    /// Asks SICANTIK for the run's permits until all are answered or `stop`, which must be the token that
    /// `sicantik` stops on, is cancelled.
    pub async fn work(
        &self,
        sicantik: &sicantik::Client,
        stop: &CancellationToken,
        reporter: &mut dyn Reporter,
    ) -> Ended {
        let payload = &self.payload;
        let limit = payload
            .max_permits
            .map(|most| (most as usize).saturating_sub(payload.answered as usize));
        let work = Work {
            pages: permits(self.odoo, self.schema, payload.domains.clone(), limit),
            total: payload.total,
            earlier: payload.counts,
            nudge: Arc::clone(&self.nudge),
        };
        let mut sink = LedgerSink::new(self.odoo, payload.run_id, self.worker, payload.last_batch);
        expiry::run(work, sicantik, &mut sink, stop, reporter).await
    }

    /// Writes the run's end into the ledger, if it is still held.
    ///
    /// # Errors
    ///
    /// What Odoo answers. Then the run's lease runs out, and whoever claims it next continues it.
    pub async fn finish(&self, ended: &Ended) -> Result<(), Error> {
        let (end, message) = match &ended.halt {
            None => (End::Done, String::new()),
            Some(Halt::Lost) => return Ok(()),
            Some(halt @ (Halt::Cancelled | Halt::Interrupted)) => {
                (End::Cancelled, halt.to_string())
            }
            Some(halt @ (Halt::Sicantik(_) | Halt::Odoo(_))) => (End::Failed, halt.to_string()),
        };
        let progress = (&ended.progress).into();
        let run_id = self.payload.run_id;
        run::finish(self.odoo, run_id, self.worker, end, &message, progress).await.map(drop)
    }
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
