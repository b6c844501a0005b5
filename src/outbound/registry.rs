//! One server, one gate: all callers of the process share it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

use super::gate::{Gate, Limits};
use super::host::server;

/// The gates of a process.
#[derive(Debug, Default)]
pub struct Registry {
    by_server: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Registry {
    /// The gate of the server that `url` names.
    ///
    /// A gate in use keeps its limits; new limits apply once nobody uses it.
    #[must_use]
    pub fn gate(&self, url: &Url, limits: Limits) -> Arc<Gate> {
        let server = server(url);
        let mut by_server = self.by_server.lock().expect("nothing panics while it is held");
        if let Some(gate) = by_server.get(&server) {
            let in_use = Arc::strong_count(gate) > 1;
            if in_use || gate.limits() == limits {
                return Arc::clone(gate);
            }
        }
        let gate = Arc::new(Gate::new(limits));
        if by_server.contains_key(&server) {
            // What left through the old gate counts in the new one's first second.
            gate.pause_for(Duration::from_secs(1));
        }
        by_server.insert(server, Arc::clone(&gate));
        gate
    }

    /// Requests in flight, to all servers.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let by_server = self.by_server.lock().expect("nothing panics while it is held");
        by_server.values().map(|gate| gate.in_flight()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rate: f64) -> Limits {
        Limits { rate: Some(rate), max_in_flight: 4 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_has_one_gate_whatever_the_path() {
        let registry = Registry::default();
        let one = registry.gate(&Url::parse("http://a.example/api").unwrap(), limits(10.0));
        let same = registry.gate(&Url::parse("http://a.example:80/other").unwrap(), limits(5.0));
        let secure = registry.gate(&Url::parse("https://A.example./api").unwrap(), limits(10.0));
        let other = registry.gate(&Url::parse("http://a.example:81/api").unwrap(), limits(10.0));
        assert!(Arc::ptr_eq(&one, &same) && Arc::ptr_eq(&one, &secure));
        assert!(!Arc::ptr_eq(&one, &other));
        let slot = one.enter(false).await;
        assert_eq!(registry.in_flight(), 1);
        drop(slot);
        assert_eq!(registry.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn other_limits_begin_after_a_second_of_quiet() {
        let registry = Registry::default();
        let url = Url::parse("http://a.example/api").unwrap();
        drop(registry.gate(&url, limits(10.0)).enter(false).await);
        let start = tokio::time::Instant::now();
        let gate = registry.gate(&url, limits(5.0));
        assert_eq!(gate.limits(), limits(5.0));
        drop(gate.enter(false).await);
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
}
