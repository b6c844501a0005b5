//! What lets requests leave: a lease that has to be renewed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

/// A moment on both clocks. The monotonic one stands still while the machine sleeps; the other one
/// may be set.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// How long ago it was, by the clock that went further.
    fn elapsed(&self) -> Duration {
        // A clock that was set back says nothing.
        self.monotonic.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

/// The leases of a gate.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// When each was renewed, and for how long.
    by_id: BTreeMap<u64, (Moment, Duration)>,
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nothing panics while it is held")
    }

    /// Takes a lease that is renewed now, and has to be every `length`.
    pub(super) fn take(&self, length: Duration) -> Lease<'_> {
        let mut held = self.held();
        let id = held.next;
        held.next += 1;
        held.by_id.insert(id, (Moment::now(), length));
        Lease { leases: self, id }
    }

    /// Whether one of them has run out.
    pub(super) fn has_lapsed(&self) -> bool {
        self.held().by_id.values().any(|(renewed, length)| renewed.elapsed() > *length)
    }

    /// Waits until none of them has run out.
    pub(super) async fn wait(&self) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on, no change is missed.
            changed.as_mut().enable();
            if !self.has_lapsed() {
                return;
            }
            changed.await;
        }
    }
}

/// A lease on a server. While one has run out nothing passes the gate; dropping it ends it.
#[derive(Debug)]
#[must_use = "the lease ends when this is dropped"]
pub struct Lease<'a> {
    leases: &'a Leases,
    id: u64,
}

impl Lease<'_> {
    /// Renews it as of `asked`, when whoever granted it was asked to.
    pub fn renew(&self, asked: Moment) {
        if let Some((renewed, _)) = self.leases.held().by_id.get_mut(&self.id) {
            *renewed = asked;
        }
        self.leases.changed.notify_waiters();
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.leases.held().by_id.remove(&self.id);
        self.leases.changed.notify_waiters();
    }
}
