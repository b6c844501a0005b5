//! How many connections are open at once, and which goes when there are too many.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

/// So many connections stay open. The service has a handful of callers on its own machine.
const MOST: usize = 128;

/// One connection's entry.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Whether a request of it is being answered, or it is a WebSocket of someone who showed the token.
    busy: AtomicBool,
    /// Cancelled when it has to go.
    pub(super) close: CancellationToken,
}

impl Connection {
    /// Says whether it may be closed to make room.
    pub(super) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }
}

/// The open connections, oldest first.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<VecDeque<Arc<Connection>>>);

impl Connections {
    /// Enters a new connection. Where there are too many already, the oldest that nobody is being answered on is closed,
    /// so that those who keep connections open without a word cannot keep others out. `None` if all are busy.
    pub(super) fn enter(&self) -> Option<Arc<Connection>> {
        let mut open = self.0.lock().expect("nothing panics while it is held");
        open.retain(|connection| {
            Arc::strong_count(connection) > 1 && !connection.close.is_cancelled()
        });
        if open.len() >= MOST {
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

    #[test]
    fn the_oldest_idle_connection_makes_room() {
        let connections = Connections::default();
        let open: Vec<_> = (0..MOST).map(|_| connections.enter().unwrap()).collect();
        open[0].set_busy(true);
        let _new = connections.enter().unwrap();
        let closed: Vec<bool> = open.iter().map(|one| one.close.is_cancelled()).collect();
        assert_eq!(closed.iter().position(|closed| *closed), Some(1));
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 1);
    }

    #[test]
    fn nobody_is_let_in_while_all_are_busy_and_the_gone_are_forgotten() {
        let connections = Connections::default();
        let mut open: Vec<_> = (0..MOST).map(|_| connections.enter().unwrap()).collect();
        open.iter().for_each(|one| one.set_busy(true));
        assert!(connections.enter().is_none());
        open.pop();
        assert!(connections.enter().is_some());
    }
}
