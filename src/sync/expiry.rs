//! Step two: the expiry dates, in a pipeline.
//!
//! Permits come in pages, as many are asked for at once as the gate lets through, and answers leave in batches while
//! the next are being fetched. Nothing holds more than a few batches, whatever the number of permits. Where the
//! listing turns out to carry the dates, they are taken from there instead (`by_listing`).

mod asker;
mod by_listing;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::Stream;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::batch::{self, LARGEST_BATCH};
use super::listing::Imported;
use super::progress::{Progress, Reporter, Tally};
use super::sink::Sink;
use crate::odoo::run::{Counts, Next};
use crate::odoo::{self, Permit};
use crate::sicantik::{self, Client};
use asker::Asker;

/// How long answers on their way are waited for when the work has to stop. With the longest silence towards Odoo, which
/// may pass before a press on *Stop* is heard, it stays below five seconds.
const GRACE: Duration = Duration::from_millis(900);

/// What to work on.
#[derive(Debug)]
pub struct Work<F> {
    /// Begins the pages of permits to ask for, from the first.
    pub pages: F,
    /// How many they are, as far as known; with those answered earlier.
    pub total: u64,
    /// What an earlier attempt at the run has answered.
    pub earlier: Counts,
    /// What the listing is good for.
    pub listing: ListingUse,
    /// Notified by whoever wants Odoo to be told, and asked whether to go on, at once.
    pub wake: Arc<Notify>,
}

/// Whether the listing is looked at for dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingUse {
    /// It has been read already: permits are asked for one by one.
    Done,
    /// It is looked at and, where it carries dates, read in pages of so many rows.
    Look {
        /// Rows from one page's beginning to the next's.
        page_size: u32,
        /// Whether permits for which the listing has no date are asked for one by one all the same.
        ask_undated: bool,
    },
}

/// Why the work ended before all permits were asked.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Odoo could not be read or written.
    #[error(transparent)]
    Odoo(#[from] odoo::Error),
    /// SICANTIK did not answer at all; nothing was stored.
    #[error("SICANTIK cannot be used now: {0}. Nothing was changed.")]
    Away(sicantik::Error),
    /// SICANTIK answers nobody any more.
    #[error(
        "SICANTIK stopped answering ({0}); what it had not answered yet is left for the next run."
    )]
    Sicantik(sicantik::Error),
    /// Somebody asked for it in Odoo.
    #[error("The run was stopped in Odoo.")]
    Cancelled,
    /// The caller's stop signal.
    #[error("The run was interrupted.")]
    Interrupted,
    /// Another worker holds the run now.
    #[error("The run's lease was lost: another worker holds it now.")]
    Lost,
}

/// How the work ended.
#[derive(Debug)]
pub struct Ended {
    /// The state at the end. Only what has been stored is counted in it.
    pub progress: Progress,
    /// What came of the listing, where it was imported.
    pub imported: Option<Imported>,
    /// Why not all permits were asked, if they were not.
    pub halt: Option<Halt>,
}

/// Asks SICANTIK for the permits of `work` and has the answers stored, until all are answered or `stop`, which must be
/// the token that `client` stops on, is cancelled.
pub async fn run<F, P, S>(
    work: Work<F>,
    client: &Client,
    sink: &mut S,
    stop: &CancellationToken,
    reporter: &mut dyn Reporter,
) -> Ended
where
    F: Fn() -> P + Send,
    P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Send + Unpin,
    S: Sink,
{
    let started = Instant::now();
    let before = client.gate().traffic();
    let state = Mutex::new(Progress {
        total: work.total,
        counts: work.earlier,
        earlier: work.earlier.answered(),
        ..Progress::default()
    });
    let progress = || {
        let mut progress = *state.lock().expect("nothing panics while it is held");
        let traffic = client.gate().traffic();
        progress.elapsed = started.elapsed();
        progress.requests = traffic.requests - before.requests;
        progress.retries = traffic.retries - before.retries;
        progress
    };
    let (sender, answers) = mpsc::channel(LARGEST_BATCH);
    let asker = Asker::new(client, sender, reporter, &state, &progress);
    let asking = async {
        // The asker, and with it the channel's sender, end here.
        let mut asker = asker;
        let deadline = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            halt = asker.ask_all(&work.pages, work.listing, stop) => halt,
            () = deadline => None,
        }
    };
    let pause = |length| client.gate().pause_for(length);
    let storing = batch::store(answers, sink, stop, &work.wake, pause, work.earlier, progress);
    let (halt, stored) = tokio::join!(asking, storing);
    let mut progress = progress();
    // An answer that is not stored is asked for again: to say that it was had would promise it.
    progress.counts = stored.counts;
    let halt = match (stored.error, stored.next) {
        (Some(error), _) => Some(Halt::Odoo(error)),
        (None, Next::Lost) => Some(Halt::Lost),
        (None, Next::Stop) => Some(Halt::Cancelled),
        (None, Next::Continue) if halt.is_none() && stop.is_cancelled() => Some(Halt::Interrupted),
        (None, Next::Continue) => halt,
    };
    if halt.is_none() {
        // Permits may have come or gone since they were counted.
        progress.total = progress.counts.answered();
    }
    Ended { progress, imported: None, halt }
}
