//! What all connections of the simulated server share, and what can be set while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::change::Scheduled;
use super::fault::Share;
use super::log::Log;
use super::options::Options;
use super::world::World;

pub(super) struct State {
    pub(super) options: Options,
    pub(super) log: Arc<Log>,
    world: RwLock<World>,
    settings: RwLock<Settings>,
    schedule: Mutex<Vec<Scheduled>>,
}

/// What can be set while the server runs.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) latency: Duration,
    pub(super) listing_latency: Option<Duration>,
    pub(super) jitter: Duration,
    pub(super) slow: Duration,
    pub(super) faults: Arc<[Share]>,
    pub(super) slots: Arc<Semaphore>,
}

/// As many slots as requests may be worked on at once.
pub(super) fn slots(capacity: usize) -> Arc<Semaphore> {
    let slots = if capacity == 0 { Semaphore::MAX_PERMITS } else { capacity };
    Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS)))
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        let settings = Settings {
            latency: options.latency,
            listing_latency: options.listing_latency,
            jitter: options.jitter,
            slow: options.slow,
            faults: options.faults.clone().into(),
            slots: slots(options.capacity),
        };
        Self {
            log: Log::new(options.log_entries),
            world: RwLock::new(World::new(&options)),
            settings: RwLock::new(settings),
            schedule: Mutex::new(options.schedule.clone()),
            options,
        }
    }

    pub(super) fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub(super) fn schedule(&self) -> MutexGuard<'_, Vec<Scheduled>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the changes that are due at this request for the listing.
    pub(super) fn apply_due(&self, listing_request: u64) {
        let mut schedule = self.schedule();
        if schedule.is_empty() {
            return;
        }
        let (due, later) = schedule
            .drain(..)
            .partition::<Vec<_>, _>(|scheduled| scheduled.listing_request <= listing_request);
        *schedule = later;
        for Scheduled { change, .. } in due {
            tracing::info!(%change, listing_request, "the office changes");
            self.world_mut().apply(change);
        }
    }
}
