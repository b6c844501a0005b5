//! The many ways in which deployments write an expiry date, or that there is none.

use chrono::NaiveDate;

use super::chance::Draw;

/// How many of a thousand permits have each quirk.
mod per_mille {
    pub(super) const NO_DATE: u64 = 150;
    pub(super) const OTHER_DATE_FORMAT: u64 = 150;
}

/// A date as one deployment or another writes it, or one of the ways to write that there is none.
/// A renewed permit always has a date: that is what the renewal gave it.
pub(super) fn written_date(
    until: NaiveDate,
    renewed: bool,
    draw: &mut Draw,
) -> (Option<NaiveDate>, Option<String>) {
    let (none, form) = (draw.happens(per_mille::NO_DATE), draw.below(8));
    if none && !renewed {
        let text = match form {
            0 | 1 => None,
            2 | 3 => Some(""),
            4 => Some("0000-00-00"),
            5 => Some("1970-01-01"),
            6 => Some("0000-00-00 00:00:00"),
            _ => Some("00-00-0000"),
        };
        return (None, text.map(str::to_owned));
    }
    let text = if draw.happens(per_mille::OTHER_DATE_FORMAT) {
        match form {
            0..=3 => until.format("%d-%m-%Y").to_string(),
            4 | 5 => format!("{until} 00:00:00"),
            6 => format!("{until} 23:59:59"),
            _ => until.format("%d-%m-%Y 00:00:00").to_string(),
        }
    } else {
        until.to_string()
    };
    (Some(until), Some(text))
}
