//! The dates that SICANTIK prints, and its many ways to print that there is none.

use chrono::{Datelike, NaiveDate};

/// A text in place of a date that is neither a date nor a known way to say "none".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a date")]
pub struct BadDate {
    /// What was there, shortened.
    pub text: String,
}

/// The day that `text` names, or `None` where it says that there is none.
///
/// The server prints `YYYY-MM-DD`. Other deployments print `DD-MM-YYYY`, either of them with `/`, or a
/// time after the date. "None" is nothing, an empty text, `-`, `0`, `0000-00-00` (MySQL's) and
/// `1970-01-01` (PHP's failed `strtotime`), with any time after them.
///
/// # Errors
///
/// [`BadDate`] for anything else: a date is never guessed.
pub fn permit_date(text: Option<&str>) -> Result<Option<NaiveDate>, BadDate> {
    let text = text.unwrap_or_default().trim();
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    if matches!(day, "" | "-" | "0") {
        return Ok(None);
    }
    let bad = || BadDate { text: text.chars().take(40).collect() };
    let parts: Vec<&str> = day.split(['-', '/']).collect();
    let [first, month, last] = parts[..] else { return Err(bad()) };
    let (year, day) = match (first.len(), last.len()) {
        (4, 1..=2) => (first, last),
        (1..=2, 4) => (last, first),
        _ => return Err(bad()),
    };
    let number = |digits: &str| {
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        all_digits.then(|| digits.parse::<u32>().ok()).flatten().ok_or_else(bad)
    };
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    if (year, month, day) == (0, 0, 0) {
        return Ok(None);
    }
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), month, day).ok_or_else(bad)?;
    if (date.year(), date.ordinal()) == (1970, 1) {
        return Ok(None);
    }
    // Odoo stores any year, but no permit ends before this one: it is a typing error.
    if date.year() < 1900 { Err(bad()) } else { Ok(Some(date)) }
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
        ] {
            assert!(permit_date(Some(text)).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,20}") {
            let _ = permit_date(Some(&text));
        }

        #[test]
        fn returns_the_day_it_was_given(days in -25_000i32..2_900_000) {
            let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
            let date = epoch + chrono::Duration::days(days.into());
            prop_assume!(date != epoch && date.year() >= 1900 && date.year() <= 9999);
            let iso = date.format("%Y-%m-%d").to_string();
            prop_assert_eq!(permit_date(Some(&iso)), Ok(Some(date)));
            let local = date.format("%d-%m-%Y 00:00:00").to_string();
            prop_assert_eq!(permit_date(Some(&local)), Ok(Some(date)));
        }
    }
}
