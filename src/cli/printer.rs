//! Printing that survives a closed pipe. `println!` panics once the reader is gone, as after
//! `doctor | head -3` or when Ctrl-C ends `tee` first, and a panic would lose the answers that are
//! not stored yet.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line to stdout, as `println!` does.
macro_rules! outln {
    ($($line:tt)*) => { $crate::cli::printer::stdout(format_args!($($line)*)) };
}

/// Prints a line to stderr, as `eprintln!` does.
macro_rules! errln {
    ($($line:tt)*) => { $crate::cli::printer::stderr(format_args!($($line)*)) };
}

pub(super) use {errln, outln};

pub(super) fn stdout(line: Arguments<'_>) {
    match writeln!(std::io::stdout(), "{line}") {
        // Ignore a closed pipe.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            errln!("sicantik-sidecar: The output cannot be written to stdout: {error}.");
            OUTPUT_LOST.store(true, Ordering::Relaxed);
        }
        _ => {}
    }
}

/// Whether something could not be written to stdout, as on a full disk.
pub(super) fn is_output_lost() -> bool {
    OUTPUT_LOST.load(Ordering::Relaxed)
}

pub(super) fn stderr(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
