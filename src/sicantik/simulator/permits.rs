//! The permits of the simulated office. A permit is a function of the seed and its number, computed
//! when it is needed: 100,000 of them cost neither memory nor time at the start.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::chance::Draw;
use super::dates::written_date;
use super::words;

/// What is drawn for a permit. Topics are independent, so that another draw in one leaves the
/// others unchanged.
mod topic {
    pub(super) const NUMBER: u64 = 1;
    pub(super) const SHARE: u64 = 2;
    pub(super) const APPLICANT: u64 = 3;
    pub(super) const KIND: u64 = 4;
    pub(super) const DATES: u64 = 5;
    pub(super) const FOUND: u64 = 6;
}

/// How many of a thousand permits have each quirk.
mod per_mille {
    pub(super) const SHARED_NUMBER: u64 = 40;
    pub(super) const NO_NUMBER: u64 = 10;
    pub(super) const JUNK_APPLICANT: u64 = 20;
    pub(super) const NOT_UTF8_NAME: u64 = 3;
    pub(super) const ODD_NAME: u64 = 120;
    pub(super) const DOUBLE_SPACE: u64 = 80;
    pub(super) const PRACTICE: u64 = 120;
    pub(super) const PRACTICE_WITHOUT_COMPANY: u64 = 850;
    pub(super) const COLUMN_NEVER_FILLED: u64 = 100;
    pub(super) const REPEATED_BY_JOIN: u64 = 40;
}

/// What generates the permits: the same recipe and number make the same permit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    pub(super) seed: u64,
    /// How many there are at the start; those added later are newer than all of these.
    pub(super) initial: u32,
    pub(super) clean: bool,
}

/// What happened to a permit after it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Revision {
    /// How often it was renewed: each time its end moves by a year.
    pub(super) renewed: u32,
    /// How often its applicant was rewritten.
    pub(super) changed: u32,
}

/// What the listing and the lookup of details are made from.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    /// `pendaftaran_id`: eight digits, of which the first is a zero nearly always, then the day it
    /// was received as `DDMMYYYY`.
    pub(super) registration: String,
    pub(super) applicant: Option<String>,
    /// The applicant is stored in windows-1252, and so is not valid UTF-8.
    pub(super) applicant_not_utf8: bool,
    pub(super) kind: String,
    /// `no_surat`; may be empty, and another permit may have the same.
    pub(super) number: String,
    pub(super) received: NaiveDate,
    pub(super) issued: NaiveDate,
    pub(super) expiry: Option<NaiveDate>,
    /// `d_berlaku_izin` as the server writes it.
    pub(super) expiry_text: Option<String>,
    /// Whether the applicant has a company; without one no endpoint finds the permit.
    pub(super) has_company: bool,
    /// Whether the base64 column that `cekperizinan` compares with was filled.
    pub(super) column_filled: bool,
    /// How many rows a join makes of it in its details.
    pub(super) rows: usize,
}

/// The day before which the permits of the start were received. Fixed, because data that depend
/// on today cannot be compared with yesterday's.
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2025, 10, 28).expect("a day of the calendar");

/// How many permits an added day holds.
const ADDED_PER_DAY: u32 = 50;

impl Recipe {
    pub(super) fn draw(&self, permit: u32, topic: u64) -> Draw {
        Draw::new(&[self.seed, u64::from(permit), topic])
    }

    /// The day of a permit, counted; never falls as the number of the permit grows. About eight
    /// permits share a day in a small office and forty in a large one, as there is no tie-break.
    pub(super) fn day(&self, permit: u32) -> u32 {
        let span = self.span();
        if permit < self.initial {
            (u64::from(permit) * u64::from(span) / u64::from(self.initial)) as u32
        } else {
            span + 1 + (permit - self.initial) / ADDED_PER_DAY
        }
    }

    fn span(&self) -> u32 {
        (self.initial / 8).clamp(1, 2400)
    }

    /// `d_terima_berkas`.
    pub(super) fn received(&self, permit: u32) -> NaiveDate {
        let first = LAST_DAY - Days::new(u64::from(self.span()));
        first + Days::new(u64::from(self.day(permit)))
    }

    /// The permit whose number this one shares, if it shares one.
    fn partner(&self, permit: u32) -> Option<u32> {
        let wanted = |permit: u32| {
            let mut draw = self.draw(permit, topic::SHARE);
            let shares = draw.happens(per_mille::SHARED_NUMBER);
            (shares, 1 + draw.below(20) as u32)
        };
        if self.clean {
            return None;
        }
        let (shares, distance) = wanted(permit);
        // A partner that shares a number itself would make a chain.
        let partner = permit.checked_sub(distance).filter(|_| shares)?;
        (!wanted(partner).0).then_some(partner)
    }

    /// `no_surat` of a permit.
    pub(super) fn number(&self, permit: u32) -> String {
        if let Some(partner) = self.partner(permit) {
            return self.own_number(partner);
        }
        self.own_number(permit)
    }

    fn own_number(&self, permit: u32) -> String {
        let mut draw = self.draw(permit, topic::NUMBER);
        let serial = permit + 1;
        let received = self.received(permit);
        let (year, month) = (received.year(), received.month());
        if self.clean {
            return format!("503/{serial:04}/SIPD/DPM-PTSP/{year}");
        }
        if draw.happens(per_mille::NO_NUMBER) {
            return String::new();
        }
        match draw.below(20) {
            0..=8 => format!("503/{serial:04}/SIPD/DPM-PTSP/{year}"),
            9..=12 => format!("503.530.570/{serial:04}/DPMPPTSP-DS/{month:02}/YYY/KK"),
            13 if serial.is_multiple_of(2) => {
                // The space matters: the server compares numbers byte by byte.
                format!(" 503 / {serial:04} / SIUP / DPM-PTSP / {year}")
            }
            13 => format!("503 / {serial:04} / SIUP / DPM-PTSP / {year}"),
            14 if serial.is_multiple_of(2) => format!("503/{serial:04}  SIPB/DPM-PTSP/{year} "),
            14 => format!("503/{serial:04}  SIPB/DPM-PTSP/{year}"),
            // `cekperizinanizin` puts the number into its SQL as it is.
            15 if serial.is_multiple_of(3) => format!("503/{serial:04}/D'Karo/DPM-PTSP/{year}"),
            15 => format!("503/{serial:04}/P&K/DPM-PTSP/{year}"),
            16 => format!("503/{serial:04}/IMB > 2 Lt/DPM-PTSP/{year}"),
            17 => format!("503/{serial:04}/Kafé/ÉKA/DPM-PTSP/{year}"),
            18 => format!("503/{serial:04}–{month:02}/Izin “Usaha”/{year}"),
            // Their base64 contains `+` and `/`, which have to be percent-encoded.
            _ => format!("503/{serial:04}/???/>>>/DPM-PTSP/{year}"),
        }
    }

    /// A permit with its revision.
    pub(super) fn permit(&self, permit: u32, revision: Revision) -> Permit {
        let received = self.received(permit);
        let (kind, is_practice) = self.kind(permit);
        let (applicant, applicant_not_utf8) = self.applicant(permit, revision);
        let mut dates = self.draw(permit, topic::DATES);
        let issued = received + Days::new(1 + dates.below(20));
        let years = [1, 2, 3, 5][dates.below(4) as usize] + revision.renewed;
        let until = issued + Months::new(12 * years);
        let (expiry, expiry_text) = if self.clean {
            (Some(until), Some(until.to_string()))
        } else {
            written_date(until, revision.renewed > 0, &mut dates)
        };
        let mut found = self.draw(permit, topic::FOUND);
        let alone = is_practice && found.happens(per_mille::PRACTICE_WITHOUT_COMPANY);
        let column_filled = !found.happens(per_mille::COLUMN_NEVER_FILLED);
        let repeated = found.happens(per_mille::REPEATED_BY_JOIN);
        Permit {
            registration: format!(
                "{:08}{:02}{:02}{:04}",
                permit + 1,
                received.day(),
                received.month(),
                received.year()
            ),
            applicant,
            applicant_not_utf8,
            kind,
            number: self.number(permit),
            received,
            issued,
            expiry,
            expiry_text,
            has_company: self.clean || !alone,
            column_filled: self.clean || column_filled,
            rows: if repeated && !self.clean { 2 + found.below(2) as usize } else { 1 },
        }
    }

    fn kind(&self, permit: u32) -> (String, bool) {
        let mut draw = self.draw(permit, topic::KIND);
        let is_practice = draw.happens(per_mille::PRACTICE);
        let number = if is_practice {
            draw.below(words::PRACTICES)
        } else {
            words::PRACTICES + draw.below(words::TYPES - words::PRACTICES)
        };
        (words::type_name(number), is_practice)
    }

    fn applicant(&self, permit: u32, revision: Revision) -> (Option<String>, bool) {
        let mut draw = self.draw(permit, topic::APPLICANT);
        let (given, family) = (draw.pick(&words::GIVEN), draw.pick(&words::FAMILY));
        let suffix = match revision.changed {
            0 => String::new(),
            times => format!(" ({times})"),
        };
        if self.clean {
            return (Some(format!("{given} {family}{suffix}")), false);
        }
        if draw.happens(per_mille::JUNK_APPLICANT) {
            let junk = [Some("0"), Some("-"), Some(""), Some("  "), None];
            return (junk[draw.below(5) as usize].map(str::to_owned), false);
        }
        if draw.happens(per_mille::NOT_UTF8_NAME) {
            return (Some(format!("{given} Kembarén {family}{suffix}")), true);
        }
        let given =
            if draw.happens(per_mille::ODD_NAME) { draw.pick(&words::ODD_NAMES) } else { given };
        let space = if draw.happens(per_mille::DOUBLE_SPACE) { "  " } else { " " };
        (Some(format!("{given}{space}{family}{suffix}")), false)
    }
}

impl Permit {
    /// Whether the applicant is a placeholder: nothing, a zero or a dash.
    pub(super) fn is_junk(&self) -> bool {
        matches!(self.applicant.as_deref().unwrap_or("").trim(), "" | "0" | "-")
    }
}
