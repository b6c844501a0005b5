//! A local simulator of SICANTIK, quirks and faults included, for training, tests and
//! demonstrations that must not touch the government's server.
//!
//! [`serve`] answers under [`BASE_PATH`] as the real server would, and under `/_simulator` as only
//! a simulator can: the requests it received, the truth about its permits, and changes while it
//! runs. `GET /_simulator` lists what there is.
//!
//! # Layout
//!
//! - `chance`, `words`, `dates`, `permits`, `details`: the permits, from a seed.
//! - `world`, `change`: the office's state and its changes; `truth`: what a client should find.
//! - `request`, `endpoint`, `routes`, `render`: the API; `fault`: its faults.
//! - `state`: what all connections share; `log`: the requests received.
//! - `server`, `control`: from a request to its response; `reply`: how those are made.

mod chance;
mod change;
mod control;
mod dates;
mod details;
mod endpoint;
mod fault;
mod log;
mod options;
mod permits;
mod render;
mod reply;
mod request;
mod routes;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod truth;
mod words;
mod world;

use std::io;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http_server::{self, ServerLimits};
pub use change::{Change, Scheduled};
pub use fault::{Fault, Share};
pub use options::{Form, Format, Options};
pub use request::BASE_PATH;
use server::Simulator;

/// Answers on `listener` until `shutdown` is ready, then lets responses under way finish.
/// [`Options::listen`] is for the caller, who makes the listener.
///
/// # Errors
///
/// If other machines can reach the listener, or it has no address.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    http_server::local_address(&listener)?;
    let stop = CancellationToken::new();
    let simulator = Simulator::new(options, stop.clone());
    let handler = move |request| {
        let simulator = simulator.clone();
        async move { simulator.respond(request).await }
    };
    let stopping = async {
        shutdown.await;
        stop.cancel();
    };
    let limits = ServerLimits::default();
    let server = http_server::Server { limits, handler, stop: stop.clone() };
    tokio::join!(server.serve(listener), stopping);
    Ok(())
}
