//! Runs a command to its end.

use super::failure::Failure;

/// Runs a command on one thread: waiting for two servers needs no more, and a request leaves at
/// the very moment when the gate lets it through, not when another thread wakes up for it.
pub(super) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    run_on(tokio::runtime::Builder::new_current_thread(), command)
}

/// As [`block_on`], for a server that may have more to do than one core can.
pub(super) fn block_on_all_cores<T>(
    command: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    run_on(tokio::runtime::Builder::new_multi_thread(), command)
}

fn run_on<T>(
    mut runtime: tokio::runtime::Builder,
    command: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::temporary(format!("The system refuses threads: {error}.")))?
        .block_on(command)
}
