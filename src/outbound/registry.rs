//! One gate per host, shared by all runs of the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

use super::gate::{Gate, Limits};
use super::host::server;

/// The gates of a process.
#[derive(Debug, Default)]
pub struct Registry {
    by_host: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Registry {
    /// The gate before the host of `url`. It holds `limits`, or those of whoever asks there just now: other limits take
    /// effect when nobody does.
    #[must_use]
    pub fn gate(&self, url: &Url, limits: Limits) -> Arc<Gate> {
        let host = server(url);
        let mut by_host = self.by_host.lock().expect("nothing panics while it is held");
        if let Some(gate) = by_host.get(&host) {
            let in_use = Arc::strong_count(gate) > 1;
            if in_use || gate.limits() == limits {
                return Arc::clone(gate);
            }
        }
        let gate = Arc::new(Gate::new(limits));
        if by_host.contains_key(&host) {
            // What left through the old gate counts in the new one's first second.
            gate.pause_for(Duration::from_secs(1));
        }
        by_host.insert(host, Arc::clone(&gate));
        gate
    }

    /// Requests in flight, to all hosts.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let by_host = self.by_host.lock().expect("nothing panics while it is held");
        by_host.values().map(|gate| gate.in_flight()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rate: f64) -> Limits {
        Limits { rate: Some(rate), max_in_flight: 4 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_has_one_gate_whatever_the_path() {
        let gates = Registry::default();
        let one = gates.gate(&Url::parse("http://a.example/api").unwrap(), limits(10.0));
        let same = gates.gate(&Url::parse("http://a.example:80/other").unwrap(), limits(5.0));
        let secure = gates.gate(&Url::parse("https://A.example./api").unwrap(), limits(10.0));
        let other = gates.gate(&Url::parse("http://a.example:81/api").unwrap(), limits(10.0));
        assert!(Arc::ptr_eq(&one, &same) && Arc::ptr_eq(&one, &secure));
        assert!(!Arc::ptr_eq(&one, &other));
        let slot = one.enter(false).await;
        assert_eq!(gates.in_flight(), 1);
        drop(slot);
        assert_eq!(gates.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn other_limits_begin_after_a_second_of_quiet() {
        let gates = Registry::default();
        let url = Url::parse("http://a.example/api").unwrap();
        drop(gates.gate(&url, limits(10.0)).enter(false).await);
        let start = tokio::time::Instant::now();
        let gate = gates.gate(&url, limits(5.0));
        assert_eq!(gate.limits(), limits(5.0));
        drop(gate.enter(false).await);
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
}
