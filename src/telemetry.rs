//! The log: on stderr, since stdout is for data.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Starts logging what is at least as serious as `default`, or what the variable `SIDECAR_LOG` asks for
/// (`info`, `debug`, or a filter such as `sicantik_sidecar=debug,hyper=info`).
pub fn start(default: LevelFilter) {
    let filter = EnvFilter::builder()
        .with_default_directive(default.into())
        .with_env_var("SIDECAR_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
