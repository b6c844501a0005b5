//! One permit's expiry: up to two endpoints, one answer.

use chrono::NaiveDate;

use super::{Client, Error, Mismatch, Unreadable, own_expiry};

/// The longest number that is asked about, in bytes: it grows by a third in base64 and has to fit
/// into a request line, of which Apache takes 8190 bytes.
const LONGEST_NUMBER: usize = 1_024;

/// What SICANTIK says of a permit's expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermitExpiry {
    /// It expires on this day.
    On(NaiveDate),
    /// Its row has no date.
    NoDate,
    /// Neither endpoint finds it.
    NotRegistered,
    /// There are rows, but they do not settle it.
    Unsettled(Mismatch),
    /// The number is empty or too long; nothing was asked.
    InvalidNumber,
    /// The number breaks the server's query, as one with an apostrophe does. It does so whenever it
    /// is asked, so there is no use in asking again soon.
    BreaksQuery {
        /// What the server's database says, in short.
        error: String,
    },
}

impl Client {
    /// Asks when the permit with this number, and this registration where it is known, expires.
    ///
    /// `cekperizinan` does not find a permit whose encoded number was never stored, and finds only
    /// the others where several share the number; `cekperizinanizin` is asked then.
    ///
    /// # Errors
    ///
    /// [`Error`], after the usual retries.
    pub async fn permit_expiry(
        &self,
        permit_number: &str,
        registration_id: Option<&str>,
    ) -> Result<PermitExpiry, Error> {
        if permit_number.trim().is_empty() || permit_number.len() > LONGEST_NUMBER {
            return Ok(PermitExpiry::InvalidNumber);
        }
        match self.expiry_by_either_way(permit_number, registration_id).await {
            Err(Error::Unreadable(Unreadable::QueryFailed { error })) => {
                Ok(PermitExpiry::BreaksQuery { error })
            }
            answer => answer,
        }
    }

    async fn expiry_by_either_way(
        &self,
        permit_number: &str,
        registration_id: Option<&str>,
    ) -> Result<PermitExpiry, Error> {
        let rows = self.permit(permit_number).await?;
        let first = (!rows.is_empty()).then(|| own_expiry(&rows, registration_id));
        let answer = match first {
            None | Some(Err(Mismatch::OtherRegistration { .. })) => {
                let rows = self.permit_by_number(permit_number).await?;
                if rows.is_empty() { first } else { Some(own_expiry(&rows, registration_id)) }
            }
            known => known,
        };
        Ok(match answer {
            None => PermitExpiry::NotRegistered,
            Some(Ok(Some(date))) => PermitExpiry::On(date),
            Some(Ok(None)) => PermitExpiry::NoDate,
            Some(Err(mismatch)) => PermitExpiry::Unsettled(mismatch),
        })
    }
}
