//! SIGINT and SIGTERM: how commands are stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::printer::errln;

/// SIGINT or SIGTERM, which stops the work. A second signal ends the process immediately.
pub(super) struct Interrupt {
    stop: CancellationToken,
    working: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to listen for them.
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

    /// Waits for what the work needs first; a signal ends the wait.
    pub(super) async fn before_work<T, E: Into<Failure>>(
        &self,
        preparing: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Self::too_early()),
            prepared = preparing => prepared.map_err(Into::into),
        }
    }

    /// From now on there may be answers to store after a stop.
    pub(super) fn work_begins(&self) {
        self.working.store(true, Ordering::Relaxed);
    }

    /// The failure of a command that was stopped before the work began.
    pub(super) fn too_early() -> Failure {
        Failure::interrupted("It was interrupted before anything was asked: nothing was changed.")
    }
}

/// SIGINT and SIGTERM, caught from now on.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    ///
    /// [`Failure`], if the system does not let them be caught.
    pub(super) fn listen() -> Result<Self, Failure> {
        let catch = |kind| {
            signal(kind).map_err(|error| {
                Failure::temporary(format!("The system does not let signals be caught: {error}."))
            })
        };
        let interrupt = catch(SignalKind::interrupt())?;
        let terminate = catch(SignalKind::terminate())?;
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
