//! What came of the work.

use std::time::Duration;

use crate::cli::failure::Failure;
use crate::odoo;
use crate::sync::Ended;

/// How long an Odoo that was away may take to hear of the run's end.
pub(super) const LAST_CALL: Duration = Duration::from_secs(3);

/// How the work ended.
pub(super) struct Worked {
    pub(super) ended: Ended,
    pub(super) run_id: Option<i64>,
    /// Why Odoo could not be told of the end, although the work was done.
    pub(super) unnoted: Option<Failure>,
}

/// All answers are stored, but `what` could not be written at the end.
pub(super) fn unnoted(what: &str, error: &odoo::Error) -> Failure {
    let sentence = format!("What was answered is stored, but {what}: {error}");
    if error.is_transient() { Failure::temporary(sentence) } else { Failure::permanent(sentence) }
}
