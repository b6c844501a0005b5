//! What the worker, the API and the HTTP pages share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio::sync::{Notify, broadcast};

use super::api::ProgressEvent;
use super::metrics;
use super::options::{OdooSettings, Options};
use crate::config::Config;
use crate::odoo::{self, Schema};
use crate::outbound::Registry;
use crate::sync;

/// How many progress events a slow subscriber may lag behind before it misses some.
const EVENTS: usize = 64;

/// A connection to Odoo that has worked.
#[derive(Debug)]
pub(super) struct Connected {
    /// Without retries: an API caller wants to know at once. Runs add a retry budget.
    pub(super) odoo: odoo::Client,
    pub(super) schema: Schema,
}

/// What is known about Odoo and the work.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) connected: Option<Arc<Connected>>,
    /// Why Odoo cannot be used, if it cannot.
    pub(super) problem: Option<String>,
    /// When the ledger last answered whether there is a run.
    pub(super) last_look: Option<DateTime<Utc>>,
    /// When a run was last claimed.
    pub(super) last_claim: Option<DateTime<Utc>>,
}

/// Everything that is shared.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) odoo: OdooSettings,
    pub(super) token: SecretString,
    /// The name under which this process holds runs.
    pub(super) worker: String,
    pub(super) started_at: DateTime<Utc>,
    pub(super) wake: Notify,
    pub(super) gates: Registry,
    pub(super) events: broadcast::Sender<ProgressEvent>,
    pub(super) metrics: PrometheusHandle,
    health: Mutex<Health>,
    /// The runs at work, each with what makes it report to Odoo at once.
    runs: Mutex<HashMap<i64, Arc<Notify>>>,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        Self {
            config: options.config,
            odoo: options.odoo,
            token: options.token,
            worker: sync::worker_name(),
            started_at: Utc::now(),
            wake: Notify::new(),
            gates: Registry::default(),
            events: broadcast::channel(EVENTS).0,
            metrics: metrics::recorder(),
            health: Mutex::default(),
            runs: Mutex::default(),
        }
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().expect("nothing panics while it is held")
    }

    /// Notes that Odoo answered whether there is a run.
    pub(super) fn note_look(&self, claimed: bool) {
        let mut health = self.health();
        health.last_look = Some(Utc::now());
        if claimed {
            health.last_claim = health.last_look;
        }
    }

    /// The connection to Odoo, if there is one now.
    pub(super) fn connected(&self) -> Option<Arc<Connected>> {
        self.health().connected.clone()
    }

    /// Registers a run at work; notifying what is returned makes it report at once.
    pub(super) fn begin(&self, run_id: i64) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        self.runs().insert(run_id, Arc::clone(&wake));
        wake
    }

    pub(super) fn end(&self, run_id: i64) {
        self.runs().remove(&run_id);
    }

    /// The ids of the runs at work.
    pub(super) fn running(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.runs().keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Looks for work now, and asks Odoo now whether the runs at work should go on.
    pub(super) fn look_now(&self) {
        self.wake.notify_one();
        for wake in self.runs().values() {
            wake.notify_one();
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<i64, Arc<Notify>>> {
        self.runs.lock().expect("nothing panics while it is held")
    }
}
