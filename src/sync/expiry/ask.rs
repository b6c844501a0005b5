//! One permit's question and its outcome.

use crate::odoo::Permit;
use crate::sicantik::{Error, Mismatch, PermitExpiry};
use crate::sync::outcome::{Outcome, Reason};
use crate::sync::server::LicensingServer;

/// Asks `server` when `permit` expires.
///
/// # Errors
///
/// A transient [`Error`], or [`Error::Stopped`]: the permit has no outcome yet. Any other error is
/// its outcome.
pub async fn ask(server: &impl LicensingServer, permit: &Permit) -> Result<Outcome, Error> {
    let registration_id = permit.registration_id.as_deref();
    let expiry = match server.permit_expiry(&permit.permit_number, registration_id).await {
        Ok(expiry) => expiry,
        Err(error) if error.is_transient() || error == Error::Stopped => return Err(error),
        Err(error) => return Ok(failed(&error)),
    };
    Ok(match expiry {
        PermitExpiry::On(expiry_date) => Outcome::Found { expiry_date },
        PermitExpiry::NoDate => Outcome::NoDate,
        PermitExpiry::NotRegistered => Outcome::NotRegistered,
        PermitExpiry::Unsettled(mismatch) => Outcome::Failed {
            reason: match mismatch {
                Mismatch::OtherRegistration { .. } => Reason::OtherRegistration,
                Mismatch::Contradiction { .. } | Mismatch::BadDate { .. } => Reason::Unreadable,
            },
            detail: mismatch.to_string(),
        },
        PermitExpiry::InvalidNumber => Outcome::Failed {
            reason: Reason::InvalidNumber,
            detail: "the permit number is empty or too long to be asked for".to_owned(),
        },
        PermitExpiry::BreaksQuery { error } => Outcome::Failed {
            reason: Reason::InvalidNumber,
            detail: format!("the permit number breaks SICANTIK's own query: {error}"),
        },
    })
}

/// The outcome of a permit whose question ended in `error` for good.
pub(super) fn failed(error: &Error) -> Outcome {
    let reason = if error.is_timeout() {
        Reason::Timeout
    } else if error.is_unreadable() {
        Reason::Unreadable
    } else {
        Reason::Unavailable
    };
    Outcome::Failed { reason, detail: error.to_string() }
}
