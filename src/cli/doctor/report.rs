//! What `doctor` prints, and how many problems it has found.

use std::fmt::Display;

use crate::cli::failure::Failure;
use crate::cli::printer::outln;

/// Prints findings, and counts the problems among them.
#[derive(Default)]
pub(super) struct Report {
    problems: usize,
}

impl Report {
    /// Something works.
    pub(super) fn ok(&self, finding: impl Display) {
        outln!("✓ {finding}");
    }

    /// Something works, but deserves attention.
    pub(super) fn note(&self, finding: impl Display, advice: &str) {
        outln!("! {finding}");
        outln!("  → {advice}");
    }

    /// Something does not work. Without advice, the finding says what to do.
    pub(super) fn problem(&mut self, finding: impl Display, advice: &str) {
        outln!("✗ {finding}");
        if !advice.is_empty() {
            outln!("  → {advice}");
        }
        self.problems += 1;
    }

    /// The end of the report.
    ///
    /// # Errors
    ///
    /// [`Failure`] that counts the problems, if there are any.
    pub(super) fn end(&self) -> Result<(), Failure> {
        match self.problems {
            0 => {
                outln!("No problems found.");
                Ok(())
            }
            1 => Err(Failure::temporary("1 problem found.")),
            number => Err(Failure::temporary(format!("{number} problems found."))),
        }
    }
}
