//! Asks for permits one by one, as many at once as the gate lets through.

use std::collections::HashSet;
use std::sync::Mutex;

use futures::future::{Fuse, FusedFuture};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Halt, ListingUse};
use crate::odoo::run::{Answer, Outcome, Reason};
use crate::odoo::{self, Permit};
use crate::sicantik::{Client, Error};
use crate::sync::ask::{ask, failed};
use crate::sync::progress::{Progress, Reporter, Tally};

/// After so many permits in a row that met trouble, a refusal or nonsense the server is asked whether it is there at
/// all.
const TROUBLES_IN_A_ROW: usize = 20;

/// So many permits are remembered to be asked once more at the end; the trouble of further ones is final, until the
/// next run. It bounds what is held in memory.
const MOST_DEFERRED: usize = 10_000;

pub(super) struct Asker<'a, 'r, F> {
    pub(super) client: &'a Client,
    sender: mpsc::Sender<Answer>,
    reporter: &'r mut dyn Reporter,
    pub(super) state: &'a Mutex<Progress>,
    progress: &'a F,
    /// The permits answered before it was known whether the listing carries dates; none where it is not looked at.
    pub(super) answered: HashSet<i64>,
    looks: bool,
}

/// What a look at the listing says.
enum Look {
    /// Nobody answers.
    Away(Error),
    /// Its rows carry dates.
    Upgraded,
}

impl<'a, 'r, F: Fn() -> Progress> Asker<'a, 'r, F> {
    pub(super) fn new(
        client: &'a Client,
        sender: mpsc::Sender<Answer>,
        reporter: &'r mut dyn Reporter,
        state: &'a Mutex<Progress>,
        progress: &'a F,
    ) -> Self {
        let answered = HashSet::new();
        Self { client, sender, reporter, state, progress, answered, looks: false }
    }

    /// Asks for all permits. They are asked for one by one at once, and as soon as a look at the listing has shown
    /// that it carries dates, these are used.
    pub(super) async fn ask_all<P>(
        &mut self,
        pages: &(impl Fn() -> P + Send),
        listing: ListingUse,
        stop: &CancellationToken,
    ) -> Option<Halt>
    where
        P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Send + Unpin,
    {
        let (client, state) = (self.client, self.state);
        self.looks = listing != ListingUse::Done;
        let look = tokio::select! {
            halt = self.one_by_one(permits(pages()), stop) => return halt,
            look = look(client, state, listing) => look,
        };
        match (look, listing) {
            (Look::Away(error), _) => Some(Halt::Away(error)),
            (Look::Upgraded, ListingUse::Done) => None,
            (Look::Upgraded, ListingUse::Look { page_size, ask_undated }) => {
                let rest = match self.by_listing(pages(), page_size, ask_undated).await {
                    Ok(rest) => rest,
                    Err(halt) => return Some(halt),
                };
                self.one_by_one(stream::iter(rest.into_iter().map(Ok)), stop).await
            }
        }
    }

    /// Asks for `permits`, and at the end once more for those that met a passing trouble.
    async fn one_by_one(
        &mut self,
        permits: impl Stream<Item = Result<Permit, odoo::Error>> + Send,
        stop: &CancellationToken,
    ) -> Option<Halt> {
        let mut deferred = Vec::new();
        if let Err(halt) =
            self.pass(permits.take_until(stop.cancelled()), Some(&mut deferred)).await
        {
            return Some(halt);
        }
        if !deferred.is_empty() {
            // Asking again is for permits in trouble, not for a server that is gone.
            if let Err(halt) = is_there(self.client, self.state).await {
                return Some(halt);
            }
            tracing::info!(permits = deferred.len(), "Asking once more where SICANTIK had trouble");
        }
        let again = stream::iter(deferred.into_iter().map(Ok)).take_until(stop.cancelled());
        self.pass(again, None).await.err()
    }

    /// Asks for `permits`. Those that meet a passing trouble are put into `deferred` or, without one, have failed.
    async fn pass(
        &mut self,
        permits: impl Stream<Item = Result<Permit, odoo::Error>> + Send,
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
        // Asked beside the permits, never instead of them: those in flight keep their places at the gate until they
        // are polled, and the probe needs one too.
        let mut probe = std::pin::pin!(Fuse::terminated());
        let mut in_a_row = 0;
        loop {
            let next = tokio::select! {
                answer = &mut probe, if !probe.is_terminated() => {
                    answer?;
                    continue;
                }
                next = asked.next() => next,
            };
            let Some(next) = next else { return Ok(()) };
            let (permit, result) = next?;
            // A refusal or nonsense is an outcome, but who gives it to everybody is to be left alone as well.
            in_a_row = match &result {
                Err(Error::Stopped) => continue,
                Err(_) => in_a_row + 1,
                Ok(Outcome::Failed { reason, .. }) => match reason {
                    Reason::Unavailable | Reason::Unreadable => in_a_row + 1,
                    // The server was not asked.
                    Reason::InvalidNumber => in_a_row,
                    _ => 0,
                },
                Ok(_) => 0,
            };
            if in_a_row >= TROUBLES_IN_A_ROW && probe.is_terminated() {
                in_a_row = 0;
                probe.set(is_there(client, self.state).fuse());
            }
            let outcome = match (result, &mut deferred) {
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
            if self.looks && state.upgraded.is_none() {
                self.answered.insert(permit_id);
            }
        }
        self.reporter.report(&(self.progress)());
        // Fails only when storing has ended, and then the work is told to stop.
        let answer = Answer { permit_id, permit_number, registration_id, outcome };
        let _ = self.sender.send(answer).await;
    }
}

/// The permits of `pages`, one after the other.
pub(super) fn permits<P>(pages: P) -> impl Stream<Item = Result<Permit, odoo::Error>> + Send
where
    P: Stream<Item = Result<Vec<Permit>, odoo::Error>> + Send,
{
    pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten()
}

/// Looks at the first row of the listing: is anybody there, and does it carry dates? Ready only when the answer changes what
/// is being done.
async fn look(client: &Client, state: &Mutex<Progress>, listing: ListingUse) -> Look {
    let answer = match listing {
        ListingUse::Look { .. } => client.listing(1, 0).await,
        ListingUse::Done => std::future::pending().await,
    };
    // Which way was used is shown to people: not known is told from not upgraded, and leaves what was known before.
    let first = answer.as_ref().ok().and_then(|rows| rows.first());
    let upgraded = first.map(|row| row.expiry.is_some());
    state.lock().expect("nothing panics while it is held").upgraded = upgraded;
    match answer {
        Ok(_) if upgraded == Some(true) => return Look::Upgraded,
        Ok(_) | Err(Error::Stopped) => {}
        Err(error) => {
            tracing::debug!(%error, "The listing cannot be looked at");
            // The listing alone may be in trouble.
            match client.ping().await {
                Err(error) if is_trouble(&error) && is_silent(state) => return Look::Away(error),
                _ => {}
            }
        }
    }
    std::future::pending().await
}

/// Asks whether the server is there at all.
async fn is_there(client: &Client, state: &Mutex<Progress>) -> Result<(), Halt> {
    match client.ping().await {
        Err(error) if is_trouble(&error) && is_silent(state) => Err(Halt::Away(error)),
        Err(error) if is_trouble(&error) => Err(Halt::Sicantik(error)),
        _ => Ok(()),
    }
}

/// Whether no permit has been answered yet.
fn is_silent(state: &Mutex<Progress>) -> bool {
    let state = state.lock().expect("nothing panics while it is held");
    state.counts.answered() == state.earlier
}

/// Whether nobody is there; words are an answer.
fn is_trouble(error: &Error) -> bool {
    !matches!(error, Error::Stopped | Error::UnknownMethod { .. } | Error::Message { .. })
}
