//! How the work ended.

use super::listing::Imported;
use super::progress::Progress;
use crate::odoo;
use crate::odoo::run::{EndCode, State};
use crate::sicantik;

/// Why the work ended early.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Odoo could not be read or written.
    #[error(transparent)]
    Odoo(#[from] odoo::Error),
    /// SICANTIK did not answer at all; nothing was stored.
    #[error("SICANTIK cannot be used now: {0}. Nothing was changed.")]
    Away(sicantik::Error),
    /// SICANTIK stopped answering.
    #[error(
        "SICANTIK stopped answering ({0}); what it had not answered yet is left for the next run."
    )]
    Sicantik(sicantik::Error),
    /// Somebody asked for it in Odoo.
    #[error("The run was stopped in Odoo.")]
    Cancelled,
    /// The caller's stop signal.
    #[error("The run was interrupted.")]
    Interrupted,
    /// Another worker holds the run now, or it was ended in Odoo.
    #[error("The run's lease was lost: another worker took it over, or it was ended in Odoo.")]
    Lost,
    /// A run of the ledger began to query the server, and the dry run made way for it.
    #[error("The dry run made way for a run.")]
    Yielded,
}

impl Halt {
    /// The state in which it leaves the run in the ledger, and the ledger's name for it, by which
    /// Odoo finds a sentence in its reader's language; `None` if the run is not ours to end.
    #[must_use]
    pub fn ending(&self) -> Option<(State, EndCode)> {
        Some(match self {
            Self::Odoo(_) => (State::Failed, EndCode::Odoo),
            Self::Away(_) => (State::Failed, EndCode::Away),
            Self::Sicantik(_) => (State::Failed, EndCode::SicantikStopped),
            Self::Cancelled => (State::Cancelled, EndCode::Cancelled),
            Self::Interrupted => (State::Cancelled, EndCode::Interrupted),
            Self::Lost | Self::Yielded => return None,
        })
    }

    /// What there is to add to that sentence.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Odoo(error) => error.to_string(),
            Self::Away(error) | Self::Sicantik(error) => error.to_string(),
            Self::Cancelled | Self::Interrupted | Self::Lost | Self::Yielded => String::new(),
        }
    }
}

/// How the work ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// The progress at the end. Only stored answers are counted.
    pub progress: Progress,
    /// What came of the listing, where it was imported.
    pub imported: Option<Imported>,
    /// Permits that were not asked about, because Odoo counts them but does not let its user read
    /// them: a record rule hides them.
    pub hidden: u64,
    /// Why not everything was done, if it was not.
    pub halt: Option<Halt>,
}

impl Ended {
    /// Work that ended before it began.
    #[must_use]
    pub fn early(halt: Halt) -> Self {
        Self { halt: Some(halt), ..Self::default() }
    }
}
