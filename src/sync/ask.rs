//! One permit's question to SICANTIK: up to two endpoints, one outcome.

use crate::odoo::Permit;
use crate::odoo::run::{Outcome, Reason};
use crate::sicantik::{Client, Error, Mismatch, own_expiry};

/// The longest number that is asked for, in bytes: it grows by a third in base64 and has to fit into a
/// request line, of which Apache takes 8190 bytes.
const LONGEST_NUMBER: usize = 1_024;

/// Asks SICANTIK when `permit` expires.
///
/// `cekperizinan` does not find a permit whose encoded number was never stored, and finds only the others where
/// several share the number; `cekperizinanizin` is asked then.
///
/// # Errors
///
/// An [`Error`] that is passing ([`Error::is_transient`]), or [`Error::Stopped`]: the permit has no outcome yet. Any
/// other trouble is its outcome.
pub async fn ask(client: &Client, permit: &Permit) -> Result<Outcome, Error> {
    let number = permit.permit_number.as_str();
    if number.trim().is_empty() || number.len() > LONGEST_NUMBER {
        return Ok(Outcome::Failed {
            reason: Reason::InvalidNumber,
            detail: "the permit number is empty or too long to be asked for".to_owned(),
        });
    }
    match answer(client, permit).await {
        Err(error) if !error.is_transient() && error != Error::Stopped => Ok(failed(&error)),
        outcome => outcome,
    }
}

async fn answer(client: &Client, permit: &Permit) -> Result<Outcome, Error> {
    let own = permit.registration_id.as_deref();
    let rows = client.permit(&permit.permit_number).await?;
    let first = (!rows.is_empty()).then(|| own_expiry(&rows, own));
    let answer = match first {
        None | Some(Err(Mismatch::OtherRegistration { .. })) => {
            let rows = client.permit_by_number(&permit.permit_number).await?;
            if rows.is_empty() { first } else { Some(own_expiry(&rows, own)) }
        }
        known => known,
    };
    Ok(match answer {
        None => Outcome::NotRegistered,
        Some(Ok(Some(expiry_date))) => Outcome::Found { expiry_date },
        Some(Ok(None)) => Outcome::NoDate,
        Some(Err(mismatch)) => Outcome::Failed {
            reason: match mismatch {
                Mismatch::OtherRegistration { .. } => Reason::OtherRegistration,
                Mismatch::Contradiction { .. } | Mismatch::BadDate { .. } => Reason::Unreadable,
            },
            detail: mismatch.to_string(),
        },
    })
}

/// The outcome of a permit whose question met `error` for good.
pub(super) fn failed(error: &Error) -> Outcome {
    let reason = match error {
        Error::Timeout { .. } => Reason::Timeout,
        Error::Unreadable(_) | Error::Message { .. } => Reason::Unreadable,
        Error::Connection { .. }
        | Error::ServerBusy { .. }
        | Error::Refused { .. }
        | Error::Redirected { .. }
        | Error::UnknownMethod { .. }
        | Error::Stopped => Reason::Unavailable,
    };
    Outcome::Failed { reason, detail: error.to_string() }
}
