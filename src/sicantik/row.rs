//! A permit as SICANTIK prints it, and which of several rows is a permit's own.

use std::fmt;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::de::{Deserializer, Visitor};

use super::date::{BadDate, local_day, permit_date};

/// One row of the listing or of a permit's details; only the fields that are used here.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Row {
    /// `pendaftaran_id`, the identity of a permit: 16 digits, of which the first is mostly a zero.
    #[serde(rename = "pendaftaran_id", deserialize_with = "text")]
    pub registration_id: String,
    /// `no_surat`, the permit number as printed: free text, not unique, may be empty.
    #[serde(default, rename = "no_surat", deserialize_with = "text")]
    pub permit_number: String,
    /// `n_pemohon`. Junk in many rows: `0`, `-` or nothing. Empty as well if it is not known.
    #[serde(default, rename = "n_pemohon", deserialize_with = "text")]
    pub applicant_name: String,
    /// `n_perizinan`.
    #[serde(default, rename = "n_perizinan", deserialize_with = "text")]
    pub permit_type_name: String,
    /// `d_terima_berkas`, the day on which the application was received. The listing of some
    /// deployments has none.
    #[serde(default, rename = "d_terima_berkas", deserialize_with = "some_text")]
    pub received: Option<String>,
    /// `d_berlaku_izin`. `None` where the row has no such field: that is how the listing of a
    /// deployment that is not upgraded differs from one that says "no date".
    #[serde(default, rename = "d_berlaku_izin", deserialize_with = "some_text")]
    pub expiry: Option<String>,
    /// What `applicant_name` says.
    #[serde(skip)]
    pub name_status: NameStatus,
}

/// What the applicant's name in a row says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NameStatus {
    /// What SICANTIK has: a name, or none.
    #[default]
    Printed,
    /// Nothing: the row has no such field.
    Absent,
    /// Nothing: it is empty in XML, where `htmlentities` empties a name that is not UTF-8. That is
    /// no sign of junk.
    Emptied,
    /// Nothing yet: the rows moved before it could be found out whether there is a name.
    Undecided,
}

impl Row {
    /// Whether the row names no applicant but `0`, `-` or nothing, or has no registration. Many
    /// rows of the listing were never an application.
    #[must_use]
    pub fn is_junk(&self) -> bool {
        let has_no_applicant = matches!(self.applicant_name.trim(), "" | "-" | "0");
        (has_no_applicant && self.name_status == NameStatus::Printed)
            || self.registration_id.trim().is_empty()
    }

    /// Turns instants, which some deployments print in place of days, into days in `zone`.
    pub(super) fn localize(&mut self, zone: Tz) {
        for date in [&mut self.received, &mut self.expiry].into_iter().flatten() {
            if let Some(day) = local_day(date, zone) {
                *date = day.to_string();
            }
        }
    }

    /// The day on which the application was received, if the row has a readable one.
    #[must_use]
    pub fn received_date(&self) -> Option<NaiveDate> {
        permit_date(self.received.as_deref()).ok().flatten()
    }

    /// The day on which the permit expires, if the row has a readable field for it; an inner `None`
    /// says that there is no such day.
    #[must_use]
    pub fn expiry_date(&self) -> Option<Option<NaiveDate>> {
        self.expiry.as_deref().and_then(|text| permit_date(Some(text)).ok())
    }
}

/// Why rows that arrived say nothing about a permit's expiry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Every row belongs to another registration. Two registrations can share one permit number.
    #[error("the answer speaks of registration {other}, not of this permit's")]
    OtherRegistration {
        /// The first registration in the answer.
        other: String,
    },
    /// Rows that should agree do not.
    #[error("the rows of the answer name different dates, {one} and {two}")]
    Contradiction {
        /// One of the dates, or "none".
        one: String,
        /// Another.
        two: String,
    },
    /// Neither a date nor a known way to say "none".
    #[error("`[{row}].d_berlaku_izin`: {bad}")]
    BadDate {
        /// The row's index in the answer.
        row: usize,
        /// What was there.
        bad: BadDate,
    },
}

/// The expiry date that `rows` give for a permit, or `None` where they say that it has none.
///
/// Only rows with the permit's own `registration_id` count. A permit without one in Odoo (`None`)
/// takes the date on which all rows agree. Rows that a join repeated agree anyway.
///
/// # Errors
///
/// [`Mismatch`], if no row is the permit's own, if they contradict each other, or if a date cannot
/// be read.
pub fn own_expiry(
    rows: &[Row],
    registration_id: Option<&str>,
) -> Result<Option<NaiveDate>, Mismatch> {
    let mut answer: Option<Option<NaiveDate>> = None;
    for (index, row) in rows.iter().enumerate() {
        if registration_id.is_some_and(|own| own.trim() != row.registration_id.trim()) {
            continue;
        }
        let date = permit_date(row.expiry.as_deref())
            .map_err(|bad| Mismatch::BadDate { row: index, bad })?;
        match answer {
            Some(earlier) if earlier != date => {
                return Err(Mismatch::Contradiction { one: printed(earlier), two: printed(date) });
            }
            _ => answer = Some(date),
        }
    }
    answer.ok_or_else(|| Mismatch::OtherRegistration {
        other: rows.first().map(|row| row.registration_id.clone()).unwrap_or_default(),
    })
}

fn printed(date: Option<NaiveDate>) -> String {
    date.map_or_else(|| "none".to_owned(), |date| date.to_string())
}

/// A text from any scalar: the server prints numbers as texts, other deployments may not.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Scalar;

    impl Visitor<'_> for Scalar {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a text or a number")
        }
        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_string<E>(self, text: String) -> Result<String, E> {
            Ok(text)
        }
        fn visit_u64<E>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_i64<E>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_f64<E>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_unit<E>(self) -> Result<String, E> {
            Ok(String::new())
        }
    }

    deserializer.deserialize_any(Scalar)
}

fn some_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(registration_id: &str, expiry: Option<&str>) -> Row {
        Row {
            registration_id: registration_id.into(),
            expiry: expiry.map(Into::into),
            ..Row::default()
        }
    }

    fn day(year: i32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(year, 1, 2)
    }

    #[test]
    fn knows_junk() {
        let named = |name: &str| Row { applicant_name: name.into(), ..row("A", None) };
        for (name, junk) in
            [("", true), (" - ", true), ("0", true), ("Ginting", false), ("00", false)]
        {
            assert_eq!(named(name).is_junk(), junk, "{name}");
        }
        assert!(Row { applicant_name: "Ginting".into(), ..row(" ", None) }.is_junk());
        let unknown = Row { name_status: NameStatus::Emptied, ..named("") };
        assert!(!unknown.is_junk(), "what is not known may be worth something");
        assert!(Row { registration_id: String::new(), ..unknown }.is_junk());
    }

    #[test]
    fn takes_only_the_permits_own_row() {
        let rows = [row("A", Some("2030-01-02")), row("B", Some("2031-01-02")), row("C", Some(""))];
        assert_eq!(own_expiry(&rows, Some("B")), Ok(day(2031)));
        assert_eq!(own_expiry(&rows, Some(" A ")), Ok(day(2030)));
        assert_eq!(own_expiry(&rows, Some("C")), Ok(None));
        assert_eq!(
            own_expiry(&rows, Some("D")),
            Err(Mismatch::OtherRegistration { other: "A".into() })
        );
    }

    #[test]
    fn another_permits_bad_date_does_not_matter() {
        let rows = [row("A", Some("seumur hidup")), row("B", Some("2031-01-02"))];
        assert_eq!(own_expiry(&rows, Some("B")), Ok(day(2031)));
        assert!(matches!(own_expiry(&rows, Some("A")), Err(Mismatch::BadDate { row: 0, .. })));
    }

    #[test]
    fn rows_repeated_by_a_join_agree() {
        let rows = [row("A", Some("2030-01-02")), row("A", Some("02-01-2030"))];
        assert_eq!(own_expiry(&rows, Some("A")), Ok(day(2030)));
        let rows = [row("A", Some("2030-01-02")), row("A", None)];
        assert!(matches!(own_expiry(&rows, Some("A")), Err(Mismatch::Contradiction { .. })));
    }

    #[test]
    fn without_a_registration_all_rows_must_agree() {
        let agreeing = [row("A", Some("2030-01-02")), row("B", Some("2030-01-02"))];
        assert_eq!(own_expiry(&agreeing, None), Ok(day(2030)));
        let contrary = [row("A", Some("2030-01-02")), row("B", Some("2031-01-02"))];
        assert_eq!(
            own_expiry(&contrary, None),
            Err(Mismatch::Contradiction { one: "2030-01-02".into(), two: "2031-01-02".into() })
        );
    }
}
