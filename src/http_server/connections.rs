//! Which connections are open, and which one is closed when there are too many.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

/// One connection's entry.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Whether a request is being answered on it, or it has been upgraded.
    busy: AtomicBool,
    /// Cancelled when the connection has to be closed.
    pub(super) close: CancellationToken,
}

impl Connection {
    /// Says whether the connection may not be closed to make room.
    pub(super) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }
}

/// The open connections, oldest first.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    open: Mutex<VecDeque<Arc<Connection>>>,
}

impl Connections {
    /// At most `limit` at once.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Mutex::default() }
    }

    /// Enters a new connection. Where the limit is reached, the oldest idle one is closed, so that
    /// clients that keep silent connections open cannot lock others out. `None` if all are busy.
    pub(super) fn enter(&self) -> Option<Arc<Connection>> {
        let mut open = self.open.lock().expect("nothing panics while it is held");
        open.retain(|connection| {
            Arc::strong_count(connection) > 1 && !connection.close.is_cancelled()
        });
        if open.len() >= self.limit {
            let idle =
                open.iter().position(|connection| !connection.busy.load(Ordering::Relaxed))?;
            if let Some(connection) = open.remove(idle) {
                connection.close.cancel();
            }
        }
        let connection = Arc::new(Connection::default());
        open.push_back(Arc::clone(&connection));
        Some(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 8;

    #[test]
    fn the_oldest_idle_connection_makes_room() {
        let connections = Connections::new(LIMIT);
        let open: Vec<_> = (0..LIMIT).map(|_| connections.enter().unwrap()).collect();
        open[0].set_busy(true);
        let _new = connections.enter().unwrap();
        let closed: Vec<bool> = open.iter().map(|one| one.close.is_cancelled()).collect();
        assert_eq!(closed.iter().position(|closed| *closed), Some(1));
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 1);
    }

    #[test]
    fn with_all_busy_none_is_let_in_and_closed_ones_are_forgotten() {
        let connections = Connections::new(LIMIT);
        let mut open: Vec<_> = (0..LIMIT).map(|_| connections.enter().unwrap()).collect();
        open.iter().for_each(|one| one.set_busy(true));
        assert!(connections.enter().is_none());
        open.pop();
        assert!(connections.enter().is_some());
    }
}
