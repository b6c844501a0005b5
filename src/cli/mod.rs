//! The command line: commands, one file each, and the exit codes they share.
//!
//! # Layout
//!
//! - `doctor`, `runs`, `serve`, `simulate`, `sync`: the commands.
//! - `context`: what commands that work on permits need first; `host_lock`: one of them at a time.
//! - `progress`, `summary`: how a run is shown; `printer`: stdout is data, stderr is talk.
//! - `failure`: exit codes; `signals`, `runtime`, `listener`: what carries a command.

mod context;
mod doctor;
mod failure;
mod host_lock;
mod listener;
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
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::config::{Config, Flags, LOG};
use crate::telemetry;
use failure::Failure;
use printer::{errln, outln};
use runtime::{block_on, block_on_all_cores};

/// Keeps an Odoo database's permits in sync with SICANTIK, outside Odoo's workers.
#[derive(Debug, Parser)]
#[command(name = "sicantik-sidecar", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success; 3 finished, but some permits failed; 1 could not go on (try again later); \
2 wrong usage or configuration (something has to be changed); 4 another run holds the connector; \
130 interrupted.

Secrets are never arguments: set ODOO_API_KEY and, for `serve`, SIDECAR_TOKEN, or ODOO_API_KEY_FILE \
and SIDECAR_TOKEN_FILE to files that hold them.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service: work on the runs that Odoo queues, and answer its calls, until stopped
    Serve,
    /// Bring Odoo's permits up to date with SICANTIK
    #[command(subcommand)]
    Sync(sync::Command),
    /// Show the runs in Odoo's ledger, or stop one
    Runs(runs::Args),
    /// Check Odoo, its addon, the key and SICANTIK, and say what to do about problems
    Doctor(doctor::Args),
    /// Show the settings in effect, secrets hidden
    Config {
        /// Show where each value came from, too
        #[arg(long)]
        origins: bool,
    },
    /// Run a local SICANTIK simulator for training, tests and demonstrations
    Simulate(simulate::Args),
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },
}

/// Runs the command of the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
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
            clap_complete::generate(shell, &mut Cli::command(), "sicantik-sidecar", &mut script);
            // Ignore a closed pipe.
            let _ = std::io::stdout().write_all(&script);
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_secret_has_a_flag() {
        let mut command = Cli::command();
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
