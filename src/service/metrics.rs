//! The service's metrics, for Prometheus. No label ever holds a permit or a person.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::sync::Counts;

/// Bounds of the latency's buckets, seconds: from an idle server to the time-out.
const LATENCY: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The recorder of the process, installed at the first call.
pub(super) fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let latency = Matcher::Full("sicantik_request_duration_seconds".to_owned());
            let handle = PrometheusBuilder::new()
                .set_buckets_for_metric(latency, &LATENCY)
                .expect("there are buckets")
                .install_recorder()
                .expect("nothing else installs a recorder");
            describe();
            handle
        })
        .clone()
}

fn describe() {
    describe_counter!("sicantik_requests_total", "Requests sent to SICANTIK, by outcome");
    describe_counter!("sicantik_retries_total", "Of these, requests that were sent again");
    describe_histogram!(
        "sicantik_request_duration_seconds",
        Unit::Seconds,
        "From sending a request to having read its answer"
    );
    describe_gauge!("sicantik_requests_in_flight", "Requests that wait for SICANTIK's answer");
    describe_counter!("sidecar_permits_total", "Permits asked for, by outcome");
    describe_counter!("sidecar_runs_total", "Runs worked on, by the state in which they ended");
    describe_gauge!("sidecar_runs_running", "Runs worked on now");
    describe_gauge!(
        "sidecar_last_success_timestamp_seconds",
        Unit::Seconds,
        "When a run last came to its end"
    );
    describe_gauge!("sidecar_odoo_up", "Whether Odoo answered last time, 0 or 1");
    describe_gauge!(
        "sidecar_odoo_api_key_expiry_timestamp_seconds",
        Unit::Seconds,
        "When the first of the technical user's API keys expires"
    );
}

/// Counts the permits of a run that has ended.
pub(super) fn count_permits(before: Counts, after: Counts) {
    for (outcome, number) in [
        ("found", after.found.saturating_sub(before.found)),
        ("no_date", after.no_date.saturating_sub(before.no_date)),
        ("not_registered", after.not_registered.saturating_sub(before.not_registered)),
        ("failed", after.failed.saturating_sub(before.failed)),
    ] {
        metrics::counter!("sidecar_permits_total", "outcome" => outcome).increment(number);
    }
}
