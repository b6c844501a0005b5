//! The sidecar as a service: it works on the runs that Odoo's ledger holds, and answers whoever asks how they go.
//!
//! # Layout
//!
//! - `api`: the JSON-RPC methods, their parameters, answers and error codes; `rpc`: what they do.
//! - `http`: the socket: who is let in, and the pages besides JSON-RPC; `connections`: how many.
//! - `worker`: looks for runs and works on them; `state`: what all of these share; `metrics`: its figures.

pub mod api;
mod connections;
mod http;
mod metrics;
mod rpc;
mod state;
mod worker;

use std::io;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use crate::odoo;
use state::Shared;

/// What the service needs to begin.
pub struct Options {
    /// How to treat SICANTIK.
    pub config: Config,
    /// How to reach Odoo, asked anew at each attempt to connect: a key file may have been replaced.
    pub odoo: Box<dyn Fn() -> Result<odoo::Settings, config::Error> + Send + Sync>,
    /// What callers have to show.
    pub token: SecretString,
}

/// Works and answers on `listener` until `shutdown` is ready; then runs are given back, calls are answered, and it ends.
///
/// # Errors
///
/// If the listener can be reached from other machines or has no address.
pub async fn serve(
    options: Options,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !config::is_local(&address) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the service is for this machine alone: listen on 127.0.0.1 or [::1]",
        ));
    }
    let shared = Arc::new(Shared::new(options));
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker::work(Arc::clone(&shared), stop.clone()));
    let answering = tokio::spawn(http::answer(shared, listener, stop.clone()));
    shutdown.await;
    stop.cancel();
    // Both end by themselves, within their own deadlines; a panic in one has been logged already.
    let _ = tokio::join!(working, answering);
    Ok(())
}
