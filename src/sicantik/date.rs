//! The dates that SICANTIK prints, and its many ways to print that there is none.

use chrono::{DateTime, Datelike as _, Duration, NaiveDate, TimeZone as _};
use chrono_tz::Tz;

/// Days that stand for no day: the zero of a calendar that some software counts from, or its first
/// day.
const ZEROS: [(i32, u32, u32); 11] = [
    // Where a time zone east of Greenwich moved the next one.
    (0, 1, 1),
    // .NET and Go.
    (1, 1, 1),
    // Windows.
    (1601, 1, 1),
    // SQL Server's `datetime`.
    (1753, 1, 1),
    // OLE, Access, Delphi and Google Sheets; and what Excel's day 0 becomes elsewhere.
    (1899, 12, 30),
    (1899, 12, 31),
    // Excel, and SQL Server's empty text.
    (1900, 1, 1),
    // Excel on a Mac.
    (1904, 1, 1),
    // The least of 32 bits, as PHP counted once.
    (1901, 12, 13),
    // PHP's failed `strtotime`, on either side of Greenwich.
    (1969, 12, 31),
    (1970, 1, 1),
];

/// A text in place of a date that is neither a date nor a known way to say "none".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a date")]
pub struct BadDate {
    /// What was there, shortened.
    pub text: String,
}

/// The day that `text` names, or `None` where it says that there is none.
///
/// The server prints `YYYY-MM-DD`. Other deployments print `DD-MM-YYYY`, either of them with `/`,
/// or a time after the date. "None" is nothing, an empty text, `-`, `0`, `0000-00-00` (MySQL's),
/// `-0001-11-30` (the same after PHP's `DateTime`), `1900-01-00` (a spreadsheet's) and the days
/// that software counts from, with any time after them.
///
/// # Errors
///
/// [`BadDate`] for anything else: a date is never guessed. An instant, which has a time zone, is no
/// day before [`local_day`] has made it one.
pub(super) fn permit_date(text: Option<&str>) -> Result<Option<NaiveDate>, BadDate> {
    let text = text.unwrap_or_default().trim();
    if matches!(text, "" | "-" | "0") || text.eq_ignore_ascii_case("null") {
        return Ok(None);
    }
    let bad = || BadDate { text: text.chars().take(40).collect() };
    let (day, behind) = split(text);
    let day = Day::read(day).ok_or_else(bad)?;
    if day.is_none() {
        return Ok(None);
    }
    // Odoo stores any year, but no permit ends before this one: it is a typing error.
    let date = day.date().filter(|date| date.year() >= 1900).ok_or_else(bad)?;
    let is_local = behind.is_empty() || Time::read(behind).is_some_and(|time| time.zone.is_none());
    is_local.then_some(Some(date)).ok_or_else(bad)
}

/// The day in `zone` of the instant that `text` names; `None` if it does not name an instant.
///
/// Midnight in Kabanjahe, printed by a server that thinks in UTC, is 17:00 of the day before.
pub(super) fn local_day(text: &str, zone: Tz) -> Option<NaiveDate> {
    let text = text.trim();
    let (day, behind) = split(text);
    let utc = match Day::read(day) {
        Some(day) if day.is_none() => return None,
        Some(day) => {
            let time = Time::read(behind)?;
            let midnight = day.date()?.and_hms_opt(0, 0, 0)?;
            midnight.checked_add_signed(time.since_midnight - time.zone?)?
        }
        None => spelled_out(text)?,
    };
    Some(zone.from_utc_datetime(&utc).date_naive())
}

/// As in a mail, `Mon, 09 Mar 2026 17:00:00 GMT`, or as JavaScript prints it, `Tue Mar 10 2026
/// 00:00:00 GMT+0700 (Western Indonesia Time)`.
fn spelled_out(text: &str) -> Option<chrono::NaiveDateTime> {
    let text = text.split(" (").next().unwrap_or_default();
    DateTime::parse_from_rfc2822(text)
        .or_else(|_| DateTime::parse_from_str(text, "%a %b %d %Y %H:%M:%S GMT%z"))
        .ok()
        .map(|instant| instant.naive_utc())
}

/// A date and what stands behind it.
fn split(text: &str) -> (&str, &str) {
    text.find([' ', 'T']).map_or((text, ""), |at| (&text[..at], &text[at + 1..]))
}

/// A year, a month and a day, which need not be in the calendar.
#[derive(Clone, Copy)]
struct Day(i32, u32, u32);

impl Day {
    fn read(text: &str) -> Option<Self> {
        // A year before the first has a minus of its own: `-0001-11-30`, `30-11--0001`.
        let year_first = text.strip_prefix('-').and_then(Self::after_christ);
        let year_last = text
            .split_once("--")
            .filter(|(_, year)| year.len() == 4)
            .and_then(|(day, year)| Self::after_christ(&format!("{day}-{year}")));
        match year_first.or(year_last) {
            Some(Self(year, month, day)) => Some(Self(-year, month, day)),
            None => Self::after_christ(text),
        }
    }

    fn after_christ(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(['-', '/']).collect();
        let [first, month, last] = parts[..] else { return None };
        let (year, day) = match (first.len(), last.len()) {
            (4, 1..=2) => (first, last),
            (1..=2, 4) => (last, first),
            _ => return None,
        };
        let year = i32::try_from(number(year)?).ok()?;
        Some(Self(year, number(month)?, number(day)?))
    }

    /// Whether it stands for no day.
    fn is_none(self) -> bool {
        let Self(year, month, day) = self;
        let has_zero = month == 0 || day == 0;
        year < 0 || (has_zero && year <= 1900) || ZEROS.contains(&(year, month, day))
    }

    fn date(self) -> Option<NaiveDate> {
        let Self(year, month, day) = self;
        NaiveDate::from_ymd_opt(year, month, day)
    }
}

/// A time of day.
struct Time {
    since_midnight: Duration,
    /// How far its zone is ahead of UTC, where it says so.
    zone: Option<Duration>,
}

impl Time {
    /// Reads `17:00`, `17:00:00.000Z`, `00.00.00`, `12:00:00 AM`, `07:00:00 +0700`, `00:00 WIB`.
    fn read(text: &str) -> Option<Self> {
        let is_clock = |character: char| character.is_ascii_digit() || ":.,".contains(character);
        let end = text.find(|character| !is_clock(character)).unwrap_or(text.len());
        let (clock, behind) = text.split_at(end);
        let mut parts = clock.split([':', '.', ',']);
        let mut next = |most| match parts.next() {
            Some(part) if part.len() <= 2 => number(part).filter(|number| *number <= most),
            _ => None,
        };
        let (mut hours, minutes) = (next(24)?, next(59)?);
        let seconds = if clock.len() > 5 { next(60)? } else { 0 };
        if parts.clone().count() > 1 || parts.any(|part| number(part).is_none()) {
            return None;
        }
        let mut zone = behind.trim();
        for (half, from) in [("AM", 0), ("PM", 12)] {
            if let Some(behind) = zone.strip_prefix(half) {
                hours = (1..=12).contains(&hours).then_some(hours % 12 + from)?;
                zone = behind.trim();
            }
        }
        let seconds = hours * 3_600 + minutes * 60 + seconds;
        let zone = if zone.is_empty() { None } else { Some(offset(zone)?) };
        Some(Self { since_midnight: Duration::seconds(seconds.into()), zone })
    }
}

/// How far a zone is ahead of UTC.
fn offset(zone: &str) -> Option<Duration> {
    let hours = match zone {
        "Z" | "UTC" | "GMT" => 0,
        // Indonesia's three.
        "WIB" => 7,
        "WITA" => 8,
        "WIT" => 9,
        _ => {
            // Go prints both: `+0000 UTC`.
            let zone = zone.trim_start_matches("GMT").trim_start_matches("UTC");
            let (digits, sign) = match zone.split(' ').next()?.split_at_checked(1)? {
                ("+", digits) => (digits, 1),
                ("-", digits) => (digits, -1),
                _ => return None,
            };
            let digits = digits.replace(':', "");
            let (hours, minutes) = digits.split_at_checked(2)?;
            let minutes = match minutes.len() {
                0 => 0,
                2 => number(minutes)?,
                _ => return None,
            };
            return Some(Duration::minutes(sign * i64::from(number(hours)? * 60 + minutes)));
        }
    };
    Some(Duration::hours(hours))
}

/// A number of up to nine digits and nothing else.
fn number(text: &str) -> Option<u32> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_form_of_a_day() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 9);
        for text in [
            "2026-03-09",
            " 2026-03-09 ",
            "2026-03-09 00:00:00",
            "2026-03-09T23:59:59",
            "09-03-2026",
            "09-03-2026 07:00",
            "09/03/2026",
            "2026/03/09",
            "9-3-2026",
            "2026-03-09 24:00:00",
            "2026-03-09 00.00.00",
            "2026-03-09 00:00:00.000",
            "09/03/2026 12:00:00 AM",
        ] {
            assert_eq!(permit_date(Some(text)), Ok(day), "{text}");
        }
    }

    #[test]
    fn knows_every_way_to_say_none() {
        for text in [
            "",
            "  ",
            "-",
            "0",
            "0000-00-00",
            "0000-00-00 00:00:00",
            "00-00-0000",
            "1970-01-01",
            "1970-01-01 07:00:00",
            "01-01-1970",
            "null",
            "-0001-11-30",
            "-0001-11-30 00:00:00",
            "30-11--0001",
            "-0001-11-30T00:00:00+07:07",
            "0001-01-01T00:00:00Z",
            "1753-01-01",
            "1899-12-30",
            "30/12/1899",
            "1899-12-31",
            "1900-01-01 00:00:00",
            "1900-01-00",
            "00-01-1900",
            "1904-01-01",
            "1901-12-13 20:45:52",
            "1969-12-31 17:00:00",
        ] {
            assert_eq!(permit_date(Some(text)), Ok(None), "{text}");
        }
        assert_eq!(permit_date(None), Ok(None));
    }

    #[test]
    fn guesses_at_nothing() {
        for text in [
            "2026-02-30",
            "2026-13-01",
            "2026-03",
            "26-03-09",
            "seumur hidup",
            "+026-03-09",
            "0201-01-01",
            "2026-03-09-01",
            "20260309",
            "1970",
            "–",
            "2026-03-00",
            "2026-03-09 s/d 2027-03-09",
            "2026-03-09 25:00:00",
            "2026-03-09 12",
            "2026-03-09 13:00:00 PM",
            "2026--03-09",
            "2026-03-09-",
            "--2026-03-09",
            "0000-03-09",
            "1773075600",
            // An instant is not a day yet.
            "2026-03-09T17:00:00Z",
            "2026-03-09 17:00:00 +0000",
        ] {
            assert!(permit_date(Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn an_instant_is_a_day_in_the_zone_of_the_office() {
        let day = |text: &str, zone: Tz| local_day(text, zone).map(|day| day.to_string());
        for text in [
            "2026-03-09T17:00:00.000Z",
            "2026-03-09T17:00Z",
            "2026-03-09 17:00:00 UTC",
            "2026-03-09T17:00:00+00:00",
            "2026-03-09 17:00:00.123456789 +0000 UTC",
            "2026-03-10T00:00:00+07:00",
            "2026-03-10T00:00:00+07",
            "2026-03-10 00:00:00 WIB",
            "2026-03-10 01:00 WITA",
            "10-03-2026 02:00:00 WIT",
            "2026-03-09 05:00:00 PM GMT",
            "2026-03-09T10:00:00-0700",
            "2026-03-10T23:59:59+07:00",
            "2026-03-09 24:00:00Z",
            "Mon, 09 Mar 2026 17:00:00 GMT",
            "Tue Mar 10 2026 00:00:00 GMT+0700 (Western Indonesia Time)",
        ] {
            assert_eq!(day(text, Tz::Asia__Jakarta).as_deref(), Some("2026-03-10"), "{text}");
        }
        let instant = "2026-03-09T15:30:00Z";
        assert_eq!(day(instant, Tz::Asia__Jakarta).as_deref(), Some("2026-03-09"));
        assert_eq!(day(instant, Tz::Asia__Jayapura).as_deref(), Some("2026-03-10"));
        for text in [
            "2026-03-09",
            "2026-03-09 17:00:00",
            "2026-03-09T17:00:00X",
            "2026-03-09T17:00:00+7:0:0",
            "2026-03-09T17:00:00+",
            "seumur hidup",
            "0000-00-00T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "1899-12-30T00:00:00.000Z",
            "2026-02-30T17:00:00Z",
            "",
        ] {
            assert_eq!(day(text, Tz::Asia__Jakarta), None, "{text}");
        }
        // The zero of another zone's midnight.
        for text in ["1969-12-31T17:00:00Z", "1899-12-29T16:52:48.000Z", "1899-12-29T17:00:00Z"] {
            let zero = day(text, Tz::Asia__Jakarta).unwrap_or_else(|| text.to_owned());
            assert_eq!(permit_date(Some(&zero)), Ok(None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,20}") {
            let _ = permit_date(Some(&text));
            let _ = local_day(&text, Tz::Asia__Jakarta);
        }

        #[test]
        fn never_panics_on_almost_dates(text in "[-0-9/]{8,11}[ T][0-9:.]{0,12}[ZAPMGTU+: 0-9-]{0,8}") {
            let _ = permit_date(Some(&text));
            let _ = local_day(&text, Tz::Asia__Jakarta);
        }

        #[test]
        fn midnight_of_the_office_is_its_day_however_it_is_printed(
            days in 0i32..30_000,
            zone in prop::sample::select(vec![Tz::Asia__Jakarta, Tz::Asia__Jayapura, Tz::UTC]),
            minutes in -720i32..840,
        ) {
            let first = NaiveDate::from_ymd_opt(1970, 1, 2).unwrap();
            let date = first + Duration::days(days.into());
            let midnight = date.and_hms_opt(0, 0, 0).unwrap();
            let instant = zone.from_local_datetime(&midnight).unwrap();
            let other = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            let printed = instant.with_timezone(&other).to_rfc3339();
            prop_assert_eq!(local_day(&printed, zone), Some(date), "{}", printed);
        }

        #[test]
        fn returns_the_day_it_was_given(days in -25_000i32..2_900_000) {
            let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
            let date = epoch + Duration::days(days.into());
            let is_zero = ZEROS.contains(&(date.year(), date.month(), date.day()));
            prop_assume!(!is_zero && date.year() >= 1900 && date.year() <= 9999);
            let iso = date.format("%Y-%m-%d").to_string();
            prop_assert_eq!(permit_date(Some(&iso)), Ok(Some(date)));
            let local = date.format("%d-%m-%Y 00:00:00").to_string();
            prop_assert_eq!(permit_date(Some(&local)), Ok(Some(date)));
        }
    }
}
