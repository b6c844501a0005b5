//! How a command fails: a sentence and an exit code.

use std::fmt;
use std::process::ExitCode;

use crate::odoo::connector::FindError;
use crate::{config, odoo};

/// The exit code of a command that finished, although some permits failed.
pub(super) const WITH_FAILURES: u8 = 3;
const TEMPORARY: u8 = 1;
const PERMANENT: u8 = 2;
const CONFLICT: u8 = 4;
const INTERRUPTED: u8 = 130;

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    sentence: String,
}

impl Failure {
    /// It cannot go on now; the same command may work later.
    pub(super) fn temporary(sentence: impl Into<String>) -> Self {
        Self { code: TEMPORARY, sentence: sentence.into() }
    }

    /// Something has to be changed before it can work.
    pub(super) fn permanent(sentence: impl Into<String>) -> Self {
        Self { code: PERMANENT, sentence: sentence.into() }
    }

    /// Another run holds the connector.
    pub(super) fn conflict(sentence: impl Into<String>) -> Self {
        Self { code: CONFLICT, sentence: sentence.into() }
    }

    /// It was interrupted.
    pub(super) fn interrupted(sentence: impl Into<String>) -> Self {
        Self { code: INTERRUPTED, sentence: sentence.into() }
    }

    /// The process's exit code.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.sentence)
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::permanent(error.to_string())
    }
}

impl From<odoo::Error> for Failure {
    fn from(error: odoo::Error) -> Self {
        if error.needs_change() {
            Self::permanent(error.to_string())
        } else {
            Self::temporary(error.to_string())
        }
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Odoo(error) => error.into(),
            error => Self::permanent(error.to_string()),
        }
    }
}
