//! The log: on stderr, since stdout is for data.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// Starts logging what is at least as severe as `default`, or what the environment variable
/// `variable` asks for: `info`, `debug`, or a filter such as `sicantik_sidecar=debug,hyper=info`.
pub fn start(default: LevelFilter, variable: &str) {
    let wanted = std::env::var(variable).unwrap_or_default();
    let (directives, invalid): (Vec<&str>, Vec<&str>) =
        wanted.split(',').partition(|one| one.is_empty() || one.parse::<Directive>().is_ok());
    let filter = EnvFilter::builder()
        .with_default_directive(default.into())
        .parse_lossy(directives.join(","));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A closed stderr would be reported to stderr, which panics.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    // `EnvFilter` would print these itself, and panic where stderr is closed.
    for invalid in invalid {
        tracing::warn!("{variable}: ignored `{invalid}`, which is not a filter");
    }
}
