//! The sidecar as a service: it works on the runs in Odoo's ledger, and tells callers how they go.
//!
//! # Layout
//!
//! - `api`: the JSON-RPC methods, their parameters, results and error codes; `rpc`: what they do.
//! - `http`: authentication, `GET /health`, `GET /metrics`, and JSON-RPC over POST and WebSocket.
//! - `worker`: claims runs and works on them.
//! - `state`: what all of these share; `options`: what it is made from; `metrics`: its metrics.

pub mod api;
mod http;
mod metrics;
mod options;
mod rpc;
mod state;
mod worker;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http_server;
pub use options::{OdooSettings, Options};
use state::Shared;

/// Works and answers on `listener` until `shutdown` is ready; then runs are given back, calls under
/// way are answered, and it returns.
///
/// # Errors
///
/// If other machines can reach the listener, or it has no address.
pub async fn serve(
    options: Options,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = http_server::local_address(&listener)?;
    let shared = Arc::new(Shared::new(options));
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker::work(Arc::clone(&shared), stop.clone()));
    let answering = tokio::spawn(http::answer(shared, listener, address, stop.clone()));
    shutdown.await;
    stop.cancel();
    // Both end within deadlines of their own; a panic in one has been logged already.
    let _ = tokio::join!(working, answering);
    Ok(())
}
