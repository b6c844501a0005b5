//! What every command that works on permits needs first: Odoo, the connector, and SICANTIK behind its gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::Failure;
use super::print::errln;
use crate::config::{Config, Sicantik};
use crate::odoo::{self, Connector, Schema};
use crate::outbound::Gate;
use crate::sicantik;

/// A connector that can be worked on.
pub(super) struct Setup {
    pub(super) odoo: odoo::Client,
    pub(super) schema: Schema,
    pub(super) connector: Connector,
    pub(super) settings: Sicantik,
    pub(super) sicantik: sicantik::Client,
}

impl Setup {
    /// Reaches Odoo, chooses the connector named `wanted` (or the only one), and prepares to ask SICANTIK at the
    /// connector's address or at `api_url`. `stop` ends all questions to it.
    pub(super) async fn make(
        config: &Config,
        wanted: Option<&str>,
        api_url: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        let odoo = odoo::Client::connect(&config.odoo()?).await?;
        let schema = Schema::read(&odoo).await?;
        let connector = odoo::connector::find(&odoo, &schema, wanted, api_url.is_none()).await?;
        let settings = config.sicantik(api_url.unwrap_or(&connector.api_url), &connector)?;
        let sicantik = client(&settings, stop)?;
        Ok(Self { odoo, schema, connector, settings, sicantik })
    }
}

/// A client of its own gate: a process on the command line works on one connector.
pub(super) fn client(
    settings: &Sicantik,
    stop: &CancellationToken,
) -> Result<sicantik::Client, Failure> {
    let gate = Arc::new(Gate::new(settings.limits));
    sicantik::Client::new(&settings.api_url, gate, settings.timeout, stop.clone())
        .map_err(|error| Failure::stuck(format!("TLS cannot be set up on this machine: {error}.")))
}

/// The server's name and port, without the path.
pub(super) fn host(settings: &Sicantik) -> String {
    let host = settings.api_url.host_str().unwrap_or_default();
    settings.api_url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// SIGINT or SIGTERM, which stops the work. A second signal ends the process at once.
pub(super) struct Interrupt {
    stop: CancellationToken,
    working: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to listen.
    pub(super) fn listen() -> Self {
        let interrupt = Self { stop: CancellationToken::new(), working: Arc::default() };
        let (stop, working) = (interrupt.stop.clone(), Arc::clone(&interrupt.working));
        let signals = Signals::listen();
        tokio::spawn(async move {
            let Ok(mut signals) = signals else { return };
            signals.next().await;
            stop.cancel();
            if working.load(Ordering::Relaxed) {
                errln!("Stopping: writing what has been answered. Press again to leave at once.");
            }
            signals.next().await;
            std::process::exit(130);
        });
        interrupt
    }

    /// Cancelled by the first signal, or by whatever else stops the work.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits for what has to be there before the work begins; a signal ends the waiting.
    pub(super) async fn before_work<T, E: Into<Failure>>(
        &self,
        preparing: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Self::too_early()),
            prepared = preparing => prepared.map_err(Into::into),
        }
    }

    /// From now on a stop leaves something to write.
    pub(super) fn work_begins(&self) {
        self.working.store(true, Ordering::Relaxed);
    }

    /// That it was stopped before the work began.
    pub(super) fn too_early() -> Failure {
        Failure::interrupted("It was interrupted before anything was asked: nothing was changed.")
    }
}

/// SIGINT and SIGTERM, caught from the moment when this is made.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to catch them.
    pub(super) fn listen() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits for the next.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// That signals cannot be caught, as a failure.
pub(super) fn no_signals(error: std::io::Error) -> Failure {
    Failure::stuck(format!("The system does not let signals be caught: {error}."))
}
