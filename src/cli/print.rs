//! Printing that outlives whoever reads it. `println!` panics once the other end of a pipe is gone, as after
//! `doctor | head -3` or when Ctrl-C ends `tee` first, and a panic loses what has been answered and not stored yet.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static IS_LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line to stdout, as `println!` does.
macro_rules! outln {
    ($($line:tt)*) => { $crate::cli::print::stdout(format_args!($($line)*)) };
}

/// Prints a line to stderr, as `eprintln!` does.
macro_rules! errln {
    ($($line:tt)*) => { $crate::cli::print::stderr(format_args!($($line)*)) };
}

pub(super) use {errln, outln};

pub(super) fn stdout(line: Arguments<'_>) {
    match writeln!(std::io::stdout(), "{line}") {
        // Who does not read on has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            errln!("sicantik-sidecar: The answer cannot be written to stdout: {error}.");
            IS_LOST.store(true, Ordering::Relaxed);
        }
        _ => {}
    }
}

/// Whether something that was to go to stdout could not be written, as on a full disk.
pub(super) fn is_answer_lost() -> bool {
    IS_LOST.load(Ordering::Relaxed)
}

pub(super) fn stderr(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
