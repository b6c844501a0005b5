//! HTTP/1 servers of this machine: the service's and the simulator's share one accept loop.

mod connections;

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connections::{Connection, Connections};

/// How long responses under way have to be sent once the server is stopping.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait after a failed `accept`: mostly too many open files, of which some will close.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// What a server grants its clients.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Connections open at once. Beyond them the oldest idle one is closed.
    pub connections: usize,
    /// How long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// Header lines in a request.
    pub headers: usize,
}

impl Default for ServerLimits {
    /// As good as none, for a server that only its own tests talk to.
    fn default() -> Self {
        Self { connections: usize::MAX, head_timeout: Duration::from_secs(30), headers: 100 }
    }
}

/// Whether only this machine can reach the address.
#[must_use]
pub fn is_local(address: &SocketAddr) -> bool {
    address.ip().is_loopback()
}

/// The address of a listener that only this machine can reach.
///
/// # Errors
///
/// If other machines can reach it, or the system does not know its address.
pub fn local_address(listener: &TcpListener) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    if is_local(&address) {
        return Ok(address);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "this server is for this machine alone: listen on 127.0.0.1 or [::1]",
    ))
}

/// What answers the requests of all connections.
#[derive(Debug, Clone)]
pub struct Server<H> {
    /// What it grants its clients.
    pub limits: ServerLimits,
    /// Answers a request. An error closes the connection without a response.
    pub handler: H,
    /// Ends it when cancelled.
    pub stop: CancellationToken,
}

impl<H, F, B, E> Server<H>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    /// Answers every request on `listener` until it is stopped, then lets responses under way
    /// finish.
    pub async fn serve(self, listener: TcpListener) {
        let connections = Connections::new(self.limits.connections);
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    // With every connection busy, a new one is closed at once.
                    if let Some(connection) = connections.enter() {
                        tasks.spawn(self.clone().converse(stream, connection));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }

    /// Serves one connection, for as many requests as the client sends over it.
    async fn converse(self, stream: TcpStream, connection: Arc<Connection>) {
        let Self { limits, handler, stop } = self;
        // Otherwise a small response may wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let entry = Arc::clone(&connection);
        let service = service_fn(move |request| {
            let (entry, handler) = (Arc::clone(&entry), handler.clone());
            async move {
                entry.set_busy(true);
                let response = handler(request).await;
                // An upgraded connection, as a WebSocket's, goes on after its first response.
                let is_upgraded = response
                    .as_ref()
                    .is_ok_and(|response| response.status() == StatusCode::SWITCHING_PROTOCOLS);
                entry.set_busy(is_upgraded);
                response
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .max_headers(limits.headers);
        let mut conversation =
            pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        // A client that hangs up or sends nonsense is no event.
        tokio::select! {
            _ = conversation.as_mut() => {}
            () = connection.close.cancelled() => {}
            () = stop.cancelled() => {
                conversation.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(GRACE, conversation).await;
            }
        }
    }
}
