//! `serve`: the service, until a signal ends it.

use std::process::ExitCode;

use sd_notify::NotifyState;
use tokio::net::TcpListener;

use super::exit::Failure;
use super::print::outln;
use super::setup::{Signals, no_signals};
use crate::config::{Config, Flags};
use crate::service::{self, Options};

pub(super) async fn run(config: Config, flags: Flags) -> Result<ExitCode, Failure> {
    let token = config.token()?;
    // What is missing is said now, not at the first run.
    config.odoo()?;
    let address = config.listen();
    // Before it says that it is ready: whoever stops it then finds it listening.
    let mut signals = Signals::listen().map_err(no_signals)?;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::wrong(format!(
            "{address} cannot be listened on ({error}): give another in SIDECAR_LISTEN."
        ))
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::stuck(format!("The socket has no address: {error}.")))?;
    tracing::info!("Answering at http://{address}");
    outln!("http://{address}");
    notify(NotifyState::Ready);
    let odoo = move || Config::load(&flags, |name| std::env::var(name).ok())?.odoo();
    let options = Options { config, odoo: Box::new(odoo), token };
    let stopped = async move {
        signals.next().await;
        notify(NotifyState::Stopping);
        tracing::info!("Stopping: what is being worked on is given back to Odoo");
    };
    service::serve(options, listener, stopped)
        .await
        .map_err(|error| Failure::stuck(format!("The service ended: {error}.")))?;
    Ok(ExitCode::SUCCESS)
}

/// Tells systemd; where there is none, nobody has to know.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}
