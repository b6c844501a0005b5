//! Collects outcomes into batches while the next are being fetched, and has them stored.

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sink::Sink;
use crate::odoo::run::Reply;
use crate::outbound::{Lease, Moment};
use crate::sync::end::Halt;
use crate::sync::heartbeat;
use crate::sync::outcome::{Counts, PermitOutcome};
use crate::sync::progress::Progress;

/// A batch is sent as soon as it holds so many outcomes.
const BATCH: usize = 100;

/// What has gathered while a batch was stored goes with the next one, up to so many.
pub(super) const LARGEST_BATCH: usize = 400;

/// How the storing ended.
#[derive(Debug)]
pub(super) struct Stored {
    /// The outcomes that are stored, with those of an earlier attempt; dates that Odoo refused
    /// count as failed.
    pub(super) counts: Counts,
    /// Why the work is to end, or why no more could be stored.
    pub(super) halt: Option<Halt>,
}

/// Stores what comes through `outcomes` until its senders are gone, at once when `wake` is
/// notified.
///
/// When Odoo says to stop, `stop` is cancelled and what still comes is stored as well; when the
/// run is lost or Odoo fails, what still comes is dropped. `lease` is renewed by each answer of
/// Odoo; `earlier` is what an earlier attempt has stored.
pub(super) async fn store<S: Sink>(
    mut outcomes: mpsc::Receiver<PermitOutcome>,
    sink: &mut S,
    stop: &CancellationToken,
    wake: &Notify,
    lease: Lease<'_>,
    earlier: Counts,
    progress: impl Fn() -> Progress,
) -> Stored {
    let mut stored = Stored { counts: earlier, halt: None };
    let mut rejected = 0;
    let mut batch = Vec::with_capacity(LARGEST_BATCH);
    let mut heartbeat_due = Instant::now() + heartbeat::FIRST;
    let mut open = true;
    while open {
        let room = LARGEST_BATCH - batch.len();
        let is_heartbeat = tokio::select! {
            received = outcomes.recv_many(&mut batch, room) => {
                open = received > 0;
                false
            }
            () = tokio::time::sleep_until(heartbeat_due) => true,
            () = wake.notified() => true,
        };
        let is_due = if open { is_heartbeat || batch.len() >= BATCH } else { !batch.is_empty() };
        if !is_due {
            continue;
        }
        let mut now = progress();
        now.counts.reject(rejected);
        let asked = Moment::now();
        let reply = sink.record(&batch, &now).await;
        heartbeat_due = Instant::now() + heartbeat::INTERVAL;
        let recorded = match reply {
            Ok(Reply::Go(recorded)) => recorded,
            Ok(Reply::Stop(recorded)) => {
                stored.halt = Some(Halt::Cancelled);
                stop.cancel();
                recorded
            }
            Ok(Reply::Lost) => return gone(stored, Halt::Lost, stop),
            Err(halt) => return gone(stored, halt, stop),
        };
        lease.renew(asked);
        for outcome in batch.drain(..) {
            stored.counts.add(&outcome.outcome);
        }
        stored.counts.reject(recorded.rejected);
        rejected += recorded.rejected;
    }
    stored
}

/// Ends the storing: nothing more can be stored.
fn gone(stored: Stored, halt: Halt, stop: &CancellationToken) -> Stored {
    stop.cancel();
    Stored { halt: Some(halt), ..stored }
}
