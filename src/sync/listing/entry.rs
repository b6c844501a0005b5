//! What is remembered of one registration, and what a further row adds to it.

use chrono::NaiveDate;

use crate::odoo::run::ListedPermit;
use crate::sicantik::Row;

/// A registration, held small: 16 digits nearly always.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Registration {
    Number(u64),
    Text(Box<str>),
}

impl Registration {
    pub(super) fn new(text: &str) -> Self {
        let is_number = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if is_number => Self::Number(number),
            _ => Self::Text(text.into()),
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

/// Not a page of a sweep.
pub(super) const NOWHERE: u32 = u32::MAX;

/// What is remembered of a registration; there may be a hundred thousand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Of the texts that were passed on.
    pub(super) texts: u64,
    /// The date that was passed on.
    pub(super) date: Option<Option<NaiveDate>>,
    /// When it was first and last seen: the sweep or the look.
    pub(super) since: u32,
    pub(super) moment: u32,
    /// The page among whose own rows it was then.
    pub(super) page: u32,
    /// Whether only rows without an applicant have been seen of it.
    pub(super) is_junk: bool,
    /// Whether no row so far has told its applicant, who is not known to be missing either.
    pub(super) is_nameless: bool,
    /// Whether rows of one moment say different things of it, or have different dates. Which of
    /// them comes first depends on the order of the answers, and must not change Odoo's permit
    /// every night.
    pub(super) has_other_texts: bool,
    pub(super) has_other_date: bool,
}

impl Entry {
    /// Whether a further row of the permit says something that has to be passed on; leaves only
    /// that in `permit`.
    pub(super) fn compare(
        &mut self,
        permit: &mut ListedPermit,
        texts: u64,
        is_again: bool,
    ) -> bool {
        let has_other_texts = texts != self.texts;
        let date = permit.expiry_date.filter(|date| Some(*date) != self.date);
        if is_again {
            self.has_other_texts |= has_other_texts;
        }
        if self.has_other_date {
            return false;
        }
        if has_other_texts && self.has_other_texts {
            // The row that came first speaks for the permit. Odoo keeps what is not said.
            permit.permit_number.clear();
            permit.applicant_name.clear();
            permit.permit_type_name.clear();
        }
        let has_news = has_other_texts && !self.has_other_texts;
        if has_news {
            self.texts = texts;
        }
        match (self.date, date) {
            (_, None) => has_news,
            (Some(first), Some(other)) if is_again => {
                self.has_other_date = true;
                permit.expiry_date = Some(first);
                permit.other_expiry_date = Some(other);
                true
            }
            _ => {
                self.date = date;
                true
            }
        }
    }
}

/// A row in the form that Odoo takes. A date that cannot be read is not said: the permit is then
/// asked about by itself.
pub(super) fn listed(row: &Row) -> ListedPermit {
    let tidy = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    ListedPermit {
        registration_id: row.registration_id.trim().to_owned(),
        // To the letter: the server compares it so.
        permit_number: row.permit_number.clone(),
        applicant_name: tidy(&row.applicant_name),
        permit_type_name: tidy(&row.permit_type_name),
        received_date: row.received_date(),
        expiry_date: row.expiry_date(),
        other_expiry_date: None,
        again: false,
    }
}
