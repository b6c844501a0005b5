//! Step two: the expiry dates, permit by permit, in a pipeline.
//!
//! Permits come in pages, as many are asked for at once as the gate lets through, and answers leave in batches while
//! the next are being fetched. Nothing holds more than a few batches, whatever the number of permits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::ask::{ask, failed};
use super::batch::{self, LARGEST_BATCH};
use super::progress::{Progress, Reporter, Tally};
use super::sink::Sink;
use crate::odoo::run::{Answer, Counts, Next, Outcome};
use crate::odoo::{self, Permit};
use crate::sicantik::{self, Client};

/// After so many permits in a row that met a passing trouble the server is asked whether it is there at all.
const TROUBLES_IN_A_ROW: usize = 20;

/// So many permits are remembered to be asked once more at the end; the trouble of further ones is final, until the
/// next run. It bounds what is held in memory.
const MOST_DEFERRED: usize = 10_000;

/// How long answers on their way are waited for when the work has to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What to work on.
#[derive(Debug)]
pub struct Work<P> {
    /// Pages of permits to ask for.
    pub pages: P,
    /// How many they are, as far as known; with those answered earlier.
    pub total: u64,
    /// What an earlier attempt at the run has answered.
    pub earlier: Counts,
    /// Notified by whoever wants Odoo to be told, and asked whether to go on, at once.
    pub nudge: Arc<Notify>,
}

/// Why the work ended before all permits were asked.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Odoo could not be read or written.
    #[error(transparent)]
    Odoo(#[from] odoo::Error),
    /// SICANTIK answers nobody any more.
    #[error(
        "SICANTIK stopped answering ({0}); the permits not asked yet are left for the next run."
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
    /// The state at the end. Everything in it has been stored, unless Odoo failed.
    pub progress: Progress,
    /// Why not all permits were asked, if they were not.
    pub halt: Option<Halt>,
}

/// Asks SICANTIK for the permits of `work` and has the answers stored, until all are answered or `stop`, which must be
/// the token that `client` stops on, is cancelled.
pub async fn run<P, S>(
    work: Work<P>,
    client: &Client,
    sink: &mut S,
    stop: &CancellationToken,
    reporter: &mut dyn Reporter,
) -> Ended
where
    P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Send + Unpin,
    S: Sink,
{
    let started = Instant::now();
    let before = client.gate().traffic();
    let state = std::sync::Mutex::new(Progress {
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
    let asker = Asker { client, sender, reporter, state: &state, progress: &progress };
    let asking = async {
        // The askers, and with them the channel's sender, end here.
        let mut asker = asker;
        let deadline = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            halt = asker.ask_all(work.pages, stop) => halt,
            () = deadline => None,
        }
    };
    let (halt, stored) =
        tokio::join!(asking, batch::store(answers, sink, stop, &work.nudge, progress));
    let mut progress = progress();
    let halt = match stored {
        Err(error) => Some(Halt::Odoo(error)),
        Ok(stored) => {
            progress.counts.reject(stored.rejected);
            match stored.next {
                Next::Lost => Some(Halt::Lost),
                Next::Stop => Some(Halt::Cancelled),
                Next::Continue if halt.is_none() && stop.is_cancelled() => Some(Halt::Interrupted),
                Next::Continue => halt,
            }
        }
    };
    if halt.is_none() {
        // Permits may have come or gone since they were counted.
        progress.total = progress.counts.answered();
    }
    Ended { progress, halt }
}

struct Asker<'a, 'r, F> {
    client: &'a Client,
    sender: mpsc::Sender<Answer>,
    reporter: &'r mut dyn Reporter,
    state: &'a std::sync::Mutex<Progress>,
    progress: &'a F,
}

impl<F: Fn() -> Progress> Asker<'_, '_, F> {
    /// Asks for all permits, and at the end once more for those that met a passing trouble.
    async fn ask_all<P>(&mut self, pages: P, stop: &CancellationToken) -> Option<Halt>
    where
        P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Unpin,
    {
        let permits = pages
            .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
            .try_flatten()
            .take_until(stop.cancelled());
        let mut deferred = Vec::new();
        if let Err(halt) = self.pass(permits, Some(&mut deferred)).await {
            return Some(halt);
        }
        if !deferred.is_empty() {
            tracing::info!(permits = deferred.len(), "Asking once more where SICANTIK had trouble");
        }
        let again = stream::iter(deferred.into_iter().map(Ok)).take_until(stop.cancelled());
        self.pass(again, None).await.err()
    }

    /// Asks for `permits`. Those that meet a passing trouble are put into `deferred` or, without one, have failed.
    async fn pass(
        &mut self,
        permits: impl Stream<Item = Result<Permit, odoo::Error>>,
        mut deferred: Option<&mut Vec<Permit>>,
    ) -> Result<(), Halt> {
        let client = self.client;
        let asked = permits
            .map(|permit| async {
                let permit = permit?;
                let result = ask(client, &permit).await;
                Ok::<_, odoo::Error>((permit, result))
            })
            // Twice as many as may be in flight, so that those who wait to try again do not keep others waiting.
            .buffer_unordered(client.gate().limits().max_in_flight.saturating_mul(2));
        let mut asked = std::pin::pin!(asked);
        let mut in_a_row = 0;
        while let Some(next) = asked.next().await {
            let (permit, result) = next?;
            let outcome = match result {
                Ok(outcome) => {
                    in_a_row = 0;
                    outcome
                }
                Err(sicantik::Error::Stopped) => continue,
                Err(error) => {
                    in_a_row += 1;
                    if in_a_row % TROUBLES_IN_A_ROW == 0 {
                        match client.ping().await {
                            Ok(_) | Err(sicantik::Error::Stopped) => {}
                            Err(error) => return Err(Halt::Sicantik(error)),
                        }
                    }
                    match &mut deferred {
                        Some(deferred) if deferred.len() < MOST_DEFERRED => {
                            deferred.push(permit);
                            continue;
                        }
                        _ => failed(&error),
                    }
                }
            };
            self.answered(permit.id, outcome).await;
        }
        Ok(())
    }

    async fn answered(&mut self, permit_id: i64, outcome: Outcome) {
        self.state.lock().expect("nothing panics while it is held").counts.add(&outcome);
        self.reporter.report(&(self.progress)());
        // Fails only when storing has ended, and then `stop` is cancelled.
        let _ = self.sender.send(Answer { permit_id, outcome }).await;
    }
}
