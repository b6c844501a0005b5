//! `serve`: the service, until a signal ends it.

use std::process::ExitCode;

use sd_notify::NotifyState;

use super::failure::Failure;
use super::listener::bind;
use super::printer::outln;
use super::signals::Signals;
use crate::config::{Config, Flags};
use crate::service::{self, Options};

pub(super) async fn run(config: Config, flags: Flags) -> Result<ExitCode, Failure> {
    let token = config.token()?;
    // Missing settings are reported now, not at the first run.
    config.odoo()?;
    // Before it says that it is ready, so that a stop right then is not lost.
    let mut signals = Signals::listen()?;
    let (listener, address) = bind(config.listen(), "--sidecar-listen or SIDECAR_LISTEN").await?;
    tracing::info!("Listening on http://{address}");
    outln!("http://{address}");
    notify(NotifyState::Ready);
    let odoo = move || Config::load(&flags, |name| std::env::var(name).ok())?.odoo();
    let options = Options { config, odoo: Box::new(odoo), token };
    let stopped = async move {
        signals.next().await;
        notify(NotifyState::Stopping);
        tracing::info!("Stopping: runs at work are given back to Odoo");
    };
    service::serve(options, listener, stopped)
        .await
        .map_err(|error| Failure::temporary(format!("The service ended: {error}.")))?;
    Ok(ExitCode::SUCCESS)
}

/// Tells systemd, if it started the service.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}
