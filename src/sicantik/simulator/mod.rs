//! A SICANTIK on this machine that behaves as the real one does, quirks and troubles included, for
//! training, tests and demonstrations that must not touch the government's server.
//!
//! [`serve`] answers under [`BASE_PATH`] as the real server would, and under `/_simulator` as only
//! a simulator can: what was asked and when, what is true about its permits, and changes while it
//! runs. `GET /_simulator` lists what there is.
//!
//! # Layout
//!
//! - `chance`, `words`, `permits`, `details`: the permits, from a seed.
//! - `world`, `change`: the office's state and what happens to it; `truth`: what is true of it.
//! - `request`, `routes`, `render`: the API; `fault`: its troubles.
//! - `server`, `reply`, `control`, `log`: what carries and watches it.

mod chance;
mod change;
mod control;
mod details;
mod fault;
mod log;
mod options;
mod permits;
mod render;
mod reply;
mod request;
mod routes;
mod server;
#[cfg(test)]
mod tests;
mod truth;
mod words;
mod world;

use std::io;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use change::{Change, Scheduled};
pub use fault::{Kind, Share};
pub use options::{Format, Options};
pub use request::BASE_PATH;
use server::Simulator;

/// How long answers on their way have to get out once the server is to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Answers on `listener` until `shutdown` is ready, then lets answers on their way get out.
/// [`Options::listen`] is for the caller who makes the listener.
///
/// # Errors
///
/// If the listener can be reached from other machines, or has no address any more.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    if !listener.local_addr()?.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the simulator is for this machine alone: listen on 127.0.0.1 or [::1]",
        ));
    }
    let stop = CancellationToken::new();
    let simulator = Simulator::new(options, stop.clone());
    let connections = TaskTracker::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, simulator.clone(), stop.clone()));
            }
            Err(error) => {
                // Mostly too many open files: some will be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    stop.cancel();
    connections.close();
    connections.wait().await;
    Ok(())
}

/// One connection, for as many requests as the client sends over it.
async fn converse(stream: TcpStream, simulator: Simulator, stop: CancellationToken) {
    // Without this a small answer may wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let simulator = simulator.clone();
        async move { simulator.respond(request).await }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
    );
    // A broken conversation is part of the play, and in the log already: no result matters here.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(GRACE, connection).await;
        }
    }
}
