//! The many ways in which deployments write an expiry date, or that there is none.

use chrono::{NaiveDate, TimeZone as _, Utc};
use chrono_tz::Asia::Jakarta;

use super::chance::Draw;

/// How many of a thousand permits have each quirk.
mod per_mille {
    pub(super) const NO_DATE: u64 = 150;
    pub(super) const OTHER_DATE_FORMAT: u64 = 200;
}

/// A date as one deployment or another writes it, or one of the ways to write that there is none.
/// A renewed permit always has a date: that is what the renewal gave it.
pub(super) fn written_date(
    until: NaiveDate,
    renewed: bool,
    draw: &mut Draw,
) -> (Option<NaiveDate>, Option<String>) {
    let (none, form) = (draw.happens(per_mille::NO_DATE), draw.below(16));
    if none && !renewed {
        let text = match form {
            0 | 1 => None,
            2 | 3 => Some(""),
            4 => Some("0000-00-00"),
            5 => Some("1970-01-01"),
            6 => Some("0000-00-00 00:00:00"),
            7 => Some("00-00-0000"),
            8 | 9 => Some("-0001-11-30"),
            10 => Some("-0001-11-30 00:00:00"),
            11 => Some("1899-12-30"),
            12 => Some("1900-01-01"),
            13 => Some("1900-01-00"),
            14 => Some("1970-01-01T00:00:00.000Z"),
            _ => Some("0001-01-01T00:00:00Z"),
        };
        return (None, text.map(str::to_owned));
    }
    let text = if draw.happens(per_mille::OTHER_DATE_FORMAT) {
        match form {
            0..=3 => until.format("%d-%m-%Y").to_string(),
            4 | 5 => format!("{until} 00:00:00"),
            6 => format!("{until} 23:59:59"),
            7 => until.format("%d-%m-%Y 00:00:00").to_string(),
            8..=11 => midnight(until).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            12 => midnight(until).format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            13 => format!("{until}T23:59:59+07:00"),
            _ => format!("{until} 00:00:00 WIB"),
        }
    } else {
        until.to_string()
    };
    (Some(until), Some(text))
}

/// The instant at which the day begins in the office, which is in Kabanjahe.
fn midnight(day: NaiveDate) -> chrono::DateTime<Utc> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    // There are no such gaps in Jakarta's time since the last century.
    let local = Jakarta.from_local_datetime(&midnight).earliest();
    local.map_or_else(|| midnight.and_utc(), |local| local.to_utc())
}
