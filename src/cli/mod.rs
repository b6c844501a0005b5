//! The command line: commands, one file each, and the exit codes they share.
//!
//! # Layout
//!
//! - `doctor`, `runs`, `serve`, `simulate`, `sync`: the commands.
//! - `manual`: the program's help, and its pages for `man`.
//! - `context`: what commands that work on permits need first; `host_lock`: one of them at a time.
//! - `progress`, `summary`: how a run is shown; `printer`: stdout is data, stderr is talk.
//! - `failure`: exit codes; `signals`, `runtime`, `listener`: what carries a command.

mod context;
mod doctor;
mod failure;
mod host_lock;
mod listener;
mod manual;
mod printer;
mod progress;
mod runs;
mod runtime;
mod serve;
mod signals;
mod simulate;
mod summary;
mod sync;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::config::{Config, Flags, LOG};
use crate::telemetry;
use failure::Failure;
use printer::{errln, outln};
use runtime::{block_on, block_on_all_cores};

/// Keeps an Odoo database's permits in sync with SICANTIK, outside Odoo's workers.
#[derive(Debug, Parser)]
#[command(name = "sicantik-sidecar", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  sicantik-sidecar doctor                          what is wrong, and what to do about it
  sicantik-sidecar sync expiry --max-permits 10    a first try
  sicantik-sidecar runs                            what was done lately
  sicantik-sidecar --config /etc/sicantik-sidecar.toml sync all

Exit codes: 0 success; 3 finished, but some permits failed; 1 could not go on (try again later); \
2 wrong usage or configuration (something has to be changed); 4 another run holds the connector; \
130 interrupted.

Secrets are never arguments: set ODOO_API_KEY and, for `serve`, SIDECAR_TOKEN, or ODOO_API_KEY_FILE \
and SIDECAR_TOKEN_FILE to files that hold them.";

#[derive(Debug, Subcommand)]
enum Command {
    #[command(after_help = "\
Example:
  SIDECAR_TOKEN_FILE=/etc/sicantik-sidecar.token sicantik-sidecar serve")]
    /// Run the service: work on the runs that Odoo queues, and answer its calls, until stopped
    Serve,
    /// Bring Odoo's permits up to date with SICANTIK
    #[command(subcommand)]
    Sync(sync::Command),
    /// Show the runs in Odoo's ledger, or stop one
    #[command(after_help = "\
Examples:
  sicantik-sidecar runs                  the latest 20
  sicantik-sidecar runs show 28          one of them, with its failures
  sicantik-sidecar runs list --limit 3 --json")]
    Runs(runs::Args),
    /// Check Odoo, its addon, the key, SICANTIK and the service, and say what to do about problems
    #[command(after_help = "\
Examples:
  sicantik-sidecar doctor
  sicantik-sidecar doctor --no-service                  where cron runs the commands
  sicantik-sidecar doctor --api-url http://127.0.0.1:8099/backoffice/api")]
    Doctor(doctor::Args),
    /// Show the settings in effect, secrets hidden
    #[command(after_help = "\
Example:
  sicantik-sidecar config --origins --config /etc/sicantik-sidecar.toml")]
    Config {
        /// Show where each value came from, too
        #[arg(long)]
        origins: bool,
    },
    /// Run a local SICANTIK simulator for training, tests and demonstrations
    #[command(after_help = "\
Examples:
  sicantik-sidecar simulate --permits 500 --latency 250ms
  sicantik-sidecar simulate --fault error-500=0.05 --fault empty=3%")]
    Simulate(simulate::Args),
    /// Print a completion script for a shell
    #[command(after_help = "\
Example:
  sicantik-sidecar completions bash > /etc/bash_completion.d/sicantik-sidecar")]
    Completions {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands
    #[command(hide = true)]
    Man {
        /// Write all pages into this folder instead
        folder: Option<PathBuf>,
    },
}

/// Runs the command of the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let level = match &cli.command {
        Command::Serve | Command::Simulate(_) => LevelFilter::INFO,
        _ => LevelFilter::WARN,
    };
    telemetry::start(level, LOG.variable);
    match run(cli) {
        Ok(_) if printer::is_output_lost() => ExitCode::FAILURE,
        Ok(code) => code,
        Err(failure) => {
            errln!("sicantik-sidecar: {failure}");
            failure.code()
        }
    }
}

/// The command line. Settings are shown once, in the program's own help.
fn command() -> clap::Command {
    manual::without_settings(Cli::command())
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let config = || Config::load(&cli.flags, |name| std::env::var(name).ok());
    match cli.command {
        Command::Serve => {
            let config = config()?;
            block_on(serve::run(config, cli.flags))
        }
        Command::Runs(args) => block_on(runs::run(&config()?, &args)),
        Command::Sync(command) => command.run(config),
        Command::Doctor(args) => block_on(doctor::run(&config()?, &args)),
        Command::Config { origins } => {
            let config = config()?;
            outln!("{}", if origins { config.with_origins() } else { config.to_string() });
            Ok(ExitCode::SUCCESS)
        }
        Command::Simulate(args) => block_on_all_cores(simulate::run(args)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "sicantik-sidecar", &mut script);
            // Ignore a closed pipe.
            let _ = std::io::stdout().write_all(&script);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder } => manual::run(command(), folder.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn no_secret_has_a_flag() {
        let mut command = command();
        command.build();
        let flags = command
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .chain(command.get_arguments());
        for flag in flags {
            let name = flag.get_long().unwrap_or_default();
            assert!(!name.contains("key") && !name.contains("token"), "--{name}");
        }
    }
}
