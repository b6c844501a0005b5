//! The pipeline from Odoo's permits over the server back to Odoo.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::{Stream, stream};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::batch::{self, LARGEST_BATCH};
use super::fetcher::{Fetcher, is_unanswered, permits};
use super::sink::Sink;
use crate::odoo::{self, Permit};
use crate::sicantik::Error;
use crate::sync::end::{Ended, Halt};
use crate::sync::heartbeat;
use crate::sync::outcome::Counts;
use crate::sync::progress::{Progress, Reporter};
use crate::sync::server::LicensingServer;

/// What to work on.
#[derive(Debug)]
pub struct Work<F> {
    /// Begins the pages of permits to ask about, from the first.
    pub pages: F,
    /// How many they are, as far as known, with those answered earlier.
    pub total: u64,
    /// What an earlier attempt at the run has answered.
    pub earlier: Counts,
    /// How the listing is used.
    pub listing: ListingUse,
    /// Notified to send a heartbeat at once, and so learn whether to go on.
    pub wake: Arc<Notify>,
}

/// Whether the listing is looked at for dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingUse {
    /// It has been read already: permits are asked about one by one.
    Done,
    /// It is looked at and, where it carries dates, read in pages of so many rows.
    Look {
        /// Rows from one page's beginning to the next's.
        page_size: u32,
        /// Whether permits for which the listing has no date are asked about one by one as well.
        ask_undated: bool,
    },
}

/// Asks `server` about the permits of `work` and has the outcomes stored, until all have one or
/// `stop`, which must be the token that `server` stops on, is cancelled.
pub async fn run<L, F, P, S>(
    work: Work<F>,
    server: &L,
    sink: &mut S,
    stop: &CancellationToken,
    reporter: &mut dyn Reporter,
) -> Ended
where
    L: LicensingServer,
    F: Fn() -> P + Send,
    P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Send + Unpin,
    S: Sink,
{
    let started = Instant::now();
    let before = server.gate().traffic();
    let state = Mutex::new(Progress {
        total: work.total,
        counts: work.earlier,
        earlier: work.earlier.answered(),
        ..Progress::default()
    });
    let progress = || {
        let mut progress = *state.lock().expect("nothing panics while it is held");
        let traffic = server.gate().traffic();
        progress.elapsed = started.elapsed();
        progress.requests = traffic.requests - before.requests;
        progress.retries = traffic.retries - before.retries;
        progress
    };
    let (sender, outcomes) = mpsc::channel(LARGEST_BATCH);
    let fetcher = Fetcher::new(server, sender, reporter, &state, &progress);
    let fetching = async {
        // The fetcher, and with it the channel's sender, is dropped at the end of this block.
        let mut fetcher = fetcher;
        let deadline = async {
            stop.cancelled().await;
            tokio::time::sleep(heartbeat::GRACE).await;
        };
        tokio::select! {
            halt = fetch(&mut fetcher, &work.pages, work.listing, stop) => halt,
            () = deadline => None,
        }
    };
    let lease = server.gate().lease(heartbeat::GATE_LEASE);
    let storing = batch::store(outcomes, sink, stop, &work.wake, lease, work.earlier, progress);
    let (fetched, stored) = tokio::join!(fetching, storing);
    let mut progress = progress();
    // Count stored answers only: the others are asked for again.
    progress.counts = stored.counts;
    let interrupted = || stop.is_cancelled().then_some(Halt::Interrupted);
    let halt = stored.halt.or(fetched).or_else(interrupted);
    if halt.is_none() {
        // Permits may have come or gone since they were counted.
        progress.total = progress.counts.answered();
    }
    Ended { progress, halt, ..Ended::default() }
}

/// What a look at the listing shows.
enum Look {
    /// The server is away.
    Away(Error),
    /// Its rows carry dates.
    Upgraded,
}

/// Fetches the expiry of all permits: one by one from the start and, as soon as a look at the
/// listing has shown that it carries dates, from there.
async fn fetch<L, P, F>(
    fetcher: &mut Fetcher<'_, '_, L, F>,
    pages: &(impl Fn() -> P + Send),
    listing: ListingUse,
    stop: &CancellationToken,
) -> Option<Halt>
where
    L: LicensingServer,
    P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Send + Unpin,
    F: Fn() -> Progress,
{
    let ListingUse::Look { page_size, ask_undated } = listing else {
        return fetcher.one_by_one(permits(pages()), stop).await;
    };
    let (server, state) = (fetcher.server, fetcher.state);
    fetcher.remember_answered();
    let look = tokio::select! {
        halt = fetcher.one_by_one(permits(pages()), stop) => return halt,
        look = look(server, state) => look,
    };
    if let Look::Away(error) = look {
        return Some(Halt::Away(error));
    }
    match fetcher.match_listing(pages(), page_size, ask_undated).await {
        Ok(rest) => fetcher.one_by_one(stream::iter(rest.into_iter().map(Ok)), stop).await,
        Err(halt) => Some(halt),
    }
}

/// Looks at the first row of the listing: is the server there, and do its rows carry dates? Ready
/// only when the answer changes what is being done.
async fn look(server: &impl LicensingServer, state: &Mutex<Progress>) -> Look {
    let answer = server.page(1, 0).await;
    // People are shown which way was used. If it is not known now, what was known before stays.
    let first = answer.as_ref().ok().and_then(|rows| rows.first());
    let upgraded = first.map(|row| row.expiry.is_some());
    state.lock().expect("nothing panics while it is held").upgraded = upgraded;
    match answer {
        Ok(_) if upgraded == Some(true) => return Look::Upgraded,
        Ok(_) | Err(Error::Stopped) => {}
        Err(error) => {
            tracing::debug!(%error, "The first row of the listing cannot be read");
            // The listing alone may fail.
            if let Err(error) = server.probe().await
                && is_unanswered(state)
            {
                return Look::Away(error);
            }
        }
    }
    std::future::pending().await
}
