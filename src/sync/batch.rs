//! Collects answers into batches while the next are being fetched, and has them stored.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::progress::{Progress, Tally};
use super::sink::Sink;
use crate::odoo::Error;
use crate::odoo::run::{Answer, Counts, Next};

/// A batch is sent as soon as it holds so many answers.
const BATCH: usize = 100;

/// What has gathered while a batch was stored goes with the next one, up to so many.
pub(super) const LARGEST_BATCH: usize = 400;

/// The longest that answers wait, and that Odoo hears nothing: the run's lease has to be renewed, its page to
/// be kept moving, and a press on *Stop* to be heard.
pub(in crate::sync) const LONGEST_SILENCE: Duration = Duration::from_secs(4);

/// The same for the first batch, so that whoever started the run sees that it works.
const FIRST_SILENCE: Duration = Duration::from_millis(800);

/// When Odoo has not taken a batch for so long, nothing more is asked until it has: the lease (30 s) may run out, and then
/// another worker may ask the same server.
const FENCE: Duration = Duration::from_secs(15);

/// The pause of which the fence is made, again and again.
const FENCE_STEP: Duration = Duration::from_secs(1);

/// How the storing ended.
#[derive(Debug)]
pub(super) struct Stored {
    /// The answers that are stored, with those of an earlier attempt; dates that Odoo refused have failed.
    pub(super) counts: Counts,
    /// What Odoo said last.
    pub(super) next: Next,
    /// Why no more could be stored.
    pub(super) error: Option<Error>,
}

/// Stores what comes through `answers`, at once when `wake` asks for it, until its senders are gone. When Odoo says to
/// stop, `stop` is cancelled and what still comes is stored as well; when the run is lost or Odoo fails, what still comes
/// is dropped. `pause` keeps SICANTIK from being asked for a while; `earlier` is what an earlier attempt has stored.
pub(super) async fn store<S: Sink>(
    mut answers: mpsc::Receiver<Answer>,
    sink: &mut S,
    stop: &CancellationToken,
    wake: &Notify,
    pause: impl Fn(Duration),
    earlier: Counts,
    progress: impl Fn() -> Progress,
) -> Stored {
    let mut stored = Stored { counts: earlier, next: Next::Continue, error: None };
    let mut rejected = 0;
    let mut batch = Vec::with_capacity(LARGEST_BATCH);
    let mut silence_ends = Instant::now() + FIRST_SILENCE;
    let mut open = true;
    while open {
        let room = LARGEST_BATCH - batch.len();
        let silent = tokio::select! {
            received = answers.recv_many(&mut batch, room) => {
                open = received > 0;
                false
            }
            () = tokio::time::sleep_until(silence_ends) => true,
            () = wake.notified() => true,
        };
        let due = if open { silent || batch.len() >= BATCH } else { !batch.is_empty() };
        if !due {
            continue;
        }
        let mut now = progress();
        now.counts.reject(rejected);
        let recorded = match fenced(sink.record(&batch, &now), &pause).await {
            Ok(recorded) => recorded,
            Err(error) => {
                stop.cancel();
                stored.error = Some(error);
                return stored;
            }
        };
        silence_ends = Instant::now() + LONGEST_SILENCE;
        match recorded.next {
            Next::Continue => {}
            Next::Stop => {
                stored.next = Next::Stop;
                stop.cancel();
            }
            Next::Lost => {
                stored.next = Next::Lost;
                stop.cancel();
                return stored;
            }
        }
        for answer in batch.drain(..) {
            stored.counts.add(&answer.outcome);
        }
        stored.counts.reject(recorded.rejected);
        rejected += recorded.rejected;
    }
    stored
}

/// Waits for a call to Odoo and, when that takes too long, keeps SICANTIK from being asked meanwhile.
pub(in crate::sync) async fn fenced<T>(
    call: impl Future<Output = T>,
    pause: &impl Fn(Duration),
) -> T {
    let mut call = pin!(call);
    let mut budget = FENCE;
    loop {
        if let Ok(done) = timeout(budget, &mut call).await {
            return done;
        }
        budget = FENCE_STEP;
        pause(2 * FENCE_STEP);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_not_heard_stops_asking_before_the_lease_is_over() {
        let begun = Instant::now();
        let (first, until) = (Cell::new(None), Cell::new(begun));
        let pause = |length| {
            first.set(first.get().or(Some(begun.elapsed())));
            until.set(Instant::now() + length);
        };
        fenced(tokio::time::sleep(Duration::from_secs(60)), &pause).await;
        assert_eq!(first.get(), Some(FENCE));
        assert!(until.get() > Instant::now(), "there was no gap");
        assert!(until.get() < Instant::now() + 2 * FENCE_STEP, "it goes on soon after");
    }
}
