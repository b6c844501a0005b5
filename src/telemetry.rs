//! The log: on stderr, since stdout is for data.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// Starts logging what is at least as serious as `default`, or what the variable `SIDECAR_LOG` asks for
/// (`info`, `debug`, or a filter such as `sicantik_sidecar=debug,hyper=info`).
pub fn start(default: LevelFilter) {
    let asked = std::env::var("SIDECAR_LOG").unwrap_or_default();
    let (directives, others): (Vec<&str>, Vec<&str>) =
        asked.split(',').partition(|one| one.is_empty() || one.parse::<Directive>().is_ok());
    let filter = EnvFilter::builder()
        .with_default_directive(default.into())
        .parse_lossy(directives.join(","));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // That stderr is closed would be printed to stderr, which panics.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    // The filter would print them itself, and panic where stderr is closed.
    for other in others {
        tracing::warn!("SIDECAR_LOG is followed without `{other}`, which is no filter");
    }
}
