//! The program's help, and its pages for `man`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Command};

use super::failure::Failure;
use super::printer::errln;
use crate::config::{Flags, settings};

/// What the help of a command says of the settings, which all commands take.
const SETTINGS: &str = "Every command takes settings, too, such as --config FILE: see \
                        `sicantik-sidecar --help`.";

/// The command, whose own commands do not show the settings that they take.
pub(super) fn without_settings(command: Command) -> Command {
    let names: Vec<_> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |one| {
            let one = settings()
                .filter_map(|setting| setting.flag)
                .fold(Flags::augment_args(one), |one, flag| {
                    one.mut_arg(flag, |arg| arg.hide(true))
                });
            let after = match one.get_after_help() {
                Some(examples) => format!("{examples}\n\n{SETTINGS}"),
                None => SETTINGS.to_owned(),
            };
            without_settings(one.after_help(after))
        })
    })
}

/// Prints the page of the program `command`, or writes those of all its commands into `folder`.
pub(super) fn run(command: Command, folder: Option<&Path>) -> Result<ExitCode, Failure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).expect("memory takes it");
        // Ignore a closed pipe.
        let _ = std::io::stdout().write_all(&page);
        return Ok(ExitCode::SUCCESS);
    };
    clap_mangen::generate_to(command, folder).map_err(|error| {
        let folder = folder.display();
        Failure::permanent(format!("The pages cannot be written to {folder}: {error}."))
    })?;
    errln!("The pages are in {}.", folder.display());
    Ok(ExitCode::SUCCESS)
}
