//! Printing that outlives whoever reads it. `println!` panics once the other end of a pipe is gone, as after
//! `doctor | head -3` or when Ctrl-C ends `tee` first, and a panic loses what has been answered and not stored yet.

use std::fmt::Arguments;
use std::io::Write;

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
    // Who does not read on has seen enough.
    let _ = writeln!(std::io::stdout(), "{line}");
}

pub(super) fn stderr(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
