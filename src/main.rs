//! The `sicantik-sidecar` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    sicantik_sidecar::cli::main()
}
