//! What asking about permits brought: the words of the domain.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What asking about one permit brought.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// A date, from the permit's own row.
    Found {
        /// The date.
        expiry_date: NaiveDate,
    },
    /// The row has none.
    NoDate,
    /// The server does not know the permit.
    NotRegistered,
    /// It could not be settled.
    Failed {
        /// Why.
        reason: Reason,
        /// What the server said, in short.
        detail: String,
    },
}

impl Outcome {
    /// Its name in the ledger.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.into()
    }
}

/// Why a permit could not be settled. Odoo adds `rejected_by_odoo`, for what it refused to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// No answer in time.
    Timeout,
    /// No connection, or an error of the server.
    Unavailable,
    /// An unreadable answer.
    Unreadable,
    /// Rows, none of which is this permit's.
    OtherRegistration,
    /// A number that cannot be asked about.
    InvalidNumber,
}

impl Reason {
    /// Its name in the ledger.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.into()
    }
}

/// The outcome of one permit, and what was asked about: the permit may have been corrected in Odoo
/// since it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitOutcome {
    /// The permit's id in Odoo.
    pub permit_id: i64,
    /// The number that was asked about.
    pub permit_number: String,
    /// The registration whose row was looked for.
    pub registration_id: Option<String>,
    /// What it brought.
    pub outcome: Outcome,
}

/// Permits by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Counts {
    /// With a date.
    pub found: u64,
    /// Whose row has none.
    pub no_date: u64,
    /// That the server does not know.
    pub not_registered: u64,
    /// That could not be settled.
    pub failed: u64,
}

impl Counts {
    /// Those that the ledger counts by the labels of outcomes.
    #[must_use]
    pub fn from_labels(counts: &BTreeMap<String, u64>) -> Self {
        let of = |label: &str| counts.get(label).copied().unwrap_or_default();
        Self {
            found: of("found"),
            no_date: of("no_date"),
            not_registered: of("not_registered"),
            failed: of("failed"),
        }
    }

    /// Adds one outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Found { .. } => self.found += 1,
            Outcome::NoDate => self.no_date += 1,
            Outcome::NotRegistered => self.not_registered += 1,
            Outcome::Failed { .. } => self.failed += 1,
        }
    }

    /// Moves `rejected` dates that Odoo refused from the found to the failed.
    pub fn reject(&mut self, rejected: u64) {
        let rejected = rejected.min(self.found);
        self.found -= rejected;
        self.failed += rejected;
    }

    /// All permits with an outcome.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.found + self.no_date + self.not_registered + self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_date_is_a_failure() {
        let mut counts = Counts { found: 3, ..Counts::default() };
        counts.reject(2);
        assert_eq!((counts.found, counts.failed, counts.answered()), (1, 2, 3));
    }

    #[test]
    fn outcomes_and_counts_have_the_same_labels() {
        let expiry_date = NaiveDate::from_ymd_opt(2030, 1, 2).expect("a date");
        let failed = Outcome::Failed { reason: Reason::Timeout, detail: String::new() };
        let outcomes =
            [Outcome::Found { expiry_date }, Outcome::NoDate, Outcome::NotRegistered, failed];
        for outcome in outcomes {
            let mut added = Counts::default();
            added.add(&outcome);
            let labels = BTreeMap::from([(outcome.label().to_owned(), 1), ("new".to_owned(), 9)]);
            assert_eq!(Counts::from_labels(&labels), added, "{outcome:?}");
        }
        assert_eq!(Reason::OtherRegistration.label(), "other_registration");
    }
}
