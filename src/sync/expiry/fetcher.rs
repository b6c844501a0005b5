//! Asks about permits one by one, as many at once as the gate lets through.

use std::collections::HashSet;
use std::sync::Mutex;

use futures::future::{Fuse, FusedFuture};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ask::{ask, failed};
use crate::odoo::{self, Permit};
use crate::sicantik::Error;
use crate::sync::end::Halt;
use crate::sync::outcome::{Outcome, PermitOutcome};
use crate::sync::progress::{Progress, Reporter};
use crate::sync::server::LicensingServer;

/// So many permits are remembered to be asked about once more at the end; the failure of further
/// ones is final until the next run. It bounds what is held in memory.
const MOST_DEFERRED: usize = 10_000;

/// Fetches outcomes and passes them on.
pub(super) struct Fetcher<'a, 'r, L, F> {
    pub(super) server: &'a L,
    sender: mpsc::Sender<PermitOutcome>,
    reporter: &'r mut dyn Reporter,
    pub(super) state: &'a Mutex<Progress>,
    progress: &'a F,
    /// The permits answered before it was known whether the listing carries dates; `None` where
    /// that is not looked at.
    answered: Option<HashSet<i64>>,
}

impl<'a, 'r, L: LicensingServer, F: Fn() -> Progress> Fetcher<'a, 'r, L, F> {
    pub(super) fn new(
        server: &'a L,
        sender: mpsc::Sender<PermitOutcome>,
        reporter: &'r mut dyn Reporter,
        state: &'a Mutex<Progress>,
        progress: &'a F,
    ) -> Self {
        Self { server, sender, reporter, state, progress, answered: None }
    }

    /// Remembers the permits that are answered until it is known whether the listing carries dates.
    pub(super) fn remember_answered(&mut self) {
        self.answered = Some(HashSet::new());
    }

    /// Whether the permit was answered before it was known whether the listing carries dates.
    pub(super) fn is_answered(&self, permit: &Permit) -> bool {
        self.answered.as_ref().is_some_and(|answered| answered.contains(&permit.id))
    }

    /// Asks about `permits`, and at the end once more about those that met a transient error.
    pub(super) async fn one_by_one(
        &mut self,
        permits: impl Stream<Item = Result<Permit, odoo::Error>> + Send,
        stop: &CancellationToken,
    ) -> Option<Halt> {
        let mut deferred = Vec::new();
        let permits = permits.take_until(stop.cancelled());
        if let Err(halt) = self.pass(permits, Some(&mut deferred)).await {
            return Some(halt);
        }
        if !deferred.is_empty() {
            // Asking again helps permits that failed, not a server that is gone.
            if let Err(halt) = probe(self.server, self.state).await {
                return Some(halt);
            }
            tracing::info!(permits = deferred.len(), "Asking once more about permits that failed");
        }
        let again = stream::iter(deferred.into_iter().map(Ok)).take_until(stop.cancelled());
        self.pass(again, None).await.err()
    }

    /// Asks about `permits`. Those that meet a transient error go to `deferred` or, without it,
    /// have failed.
    async fn pass(
        &mut self,
        permits: impl Stream<Item = Result<Permit, odoo::Error>> + Send,
        mut deferred: Option<&mut Vec<Permit>>,
    ) -> Result<(), Halt> {
        let (server, state) = (self.server, self.state);
        let asked = permits
            .map(|permit| async {
                let permit = permit?;
                let result = ask(server, &permit).await;
                Ok::<_, odoo::Error>((permit, result))
            })
            // Twice as many as may be in flight, so that those waiting to retry hold up no others.
            .buffer_unordered(server.gate().limits().max_in_flight.saturating_mul(2));
        let mut asked = std::pin::pin!(asked);
        // The probe needs a slot, and requests in flight give theirs back only while they are
        // polled.
        let mut probing = std::pin::pin!(Fuse::terminated());
        loop {
            let next = tokio::select! {
                probed = &mut probing, if !probing.is_terminated() => {
                    probed?;
                    continue;
                }
                next = asked.next() => next,
            };
            let Some(next) = next else { return Ok(()) };
            let (permit, result) = next?;
            if probing.is_terminated() && server.gate().needs_probe() {
                probing.set(probe(server, state).fuse());
            }
            let outcome = match (result, &mut deferred) {
                (Err(Error::Stopped), _) => continue,
                (Ok(outcome), _) => outcome,
                (Err(_), Some(deferred)) if deferred.len() < MOST_DEFERRED => {
                    deferred.push(permit);
                    continue;
                }
                (Err(error), _) => failed(&error),
            };
            self.answer(permit, outcome).await;
        }
    }

    /// Passes an outcome on.
    pub(super) async fn answer(&mut self, permit: Permit, outcome: Outcome) {
        let Permit { id: permit_id, permit_number, registration_id, .. } = permit;
        {
            let mut state = self.state.lock().expect("nothing panics while it is held");
            state.counts.add(&outcome);
            if state.upgraded.is_none()
                && let Some(answered) = &mut self.answered
            {
                answered.insert(permit_id);
            }
        }
        self.reporter.report(&(self.progress)());
        let outcome = PermitOutcome { permit_id, permit_number, registration_id, outcome };
        // Fails only when the storing has ended, and then the work is told to stop.
        let _ = self.sender.send(outcome).await;
    }
}

/// The permits of `pages`, one after the other.
pub(super) fn permits<P>(pages: P) -> impl Stream<Item = Result<Permit, odoo::Error>> + Send
where
    P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Send,
{
    pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten()
}

/// Asks whether the server is there at all.
async fn probe(server: &impl LicensingServer, state: &Mutex<Progress>) -> Result<(), Halt> {
    server.probe().await.map_err(|error| {
        if is_unanswered(state) { Halt::Away(error) } else { Halt::Sicantik(error) }
    })
}

/// Whether no permit has been answered yet in this attempt.
pub(super) fn is_unanswered(state: &Mutex<Progress>) -> bool {
    let state = state.lock().expect("nothing panics while it is held");
    state.counts.answered() == state.earlier
}
