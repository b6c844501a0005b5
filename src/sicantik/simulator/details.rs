//! What the details of a permit show beyond its row in the listing, and the many ways in which a
//! date is written.

use chrono::NaiveDate;

use super::chance::Draw;
use super::permits::Recipe;
use super::words;

/// The topic of these draws; the others are in `permits`.
const TOPIC: u64 = 7;

/// How many of a thousand permits have each quirk.
mod per_mille {
    pub(super) const NOT_UTF8_ADDRESS: u64 = 15;
    pub(super) const NO_DATE: u64 = 150;
    pub(super) const OTHER_DATE_FORMAT: u64 = 150;
}

/// The rest of a permit, which only its details show.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub(super) address: Option<String>,
    pub(super) address_not_utf8: bool,
    pub(super) phone: Option<String>,
    pub(super) company: String,
    pub(super) tax_number: Option<String>,
    pub(super) founded: String,
    pub(super) district: &'static str,
    pub(super) village: &'static str,
}

impl Recipe {
    /// What only the details of a permit show.
    pub(super) fn details(&self, permit: u32) -> Details {
        let mut draw = self.draw(permit, TOPIC);
        let street = draw.pick(&words::STREETS);
        let house = 1 + draw.below(300);
        let village = draw.pick(&words::VILLAGES);
        let not_utf8 = !self.clean && draw.happens(per_mille::NOT_UTF8_ADDRESS);
        let address = match (not_utf8, draw.below(20)) {
            (true, _) => Some(format!("Jl. Café No. {house}  {village}")),
            (false, 0) if !self.clean => None,
            (false, 1) if !self.clean => Some(format!("{street}  No.{house},\u{a0}{village} ")),
            _ => Some(format!("{street} No. {house}, {village}")),
        };
        Details {
            address,
            address_not_utf8: not_utf8,
            phone: phone(&mut draw, self.clean),
            company: draw.pick(&words::COMPANIES).to_owned(),
            tax_number: draw.happens(700).then(|| format!("{:015}", draw.below(1_000_000_000))),
            founded: format!("{}-0{}-1{}", 1990 + draw.below(30), 1 + draw.below(9), draw.below(9)),
            district: draw.pick(&words::DISTRICTS),
            village,
        }
    }
}

/// A date as one deployment or another writes it, or one of the ways to write that there is none.
/// A renewed permit has a date: that is what the renewal gave it.
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

fn phone(draw: &mut Draw, clean: bool) -> Option<String> {
    let (a, b) = (draw.below(10_000), draw.below(10_000));
    if clean {
        return Some(format!("0812{a:04}{b:04}"));
    }
    match draw.below(12) {
        0..=3 => Some(format!("0812{a:04}{b:04}")),
        4 | 5 => Some(format!("0812-{a:04}-{b:04}")),
        6 => Some(format!("+62 812 {a:04} {b:04}")),
        7 => Some(format!("0812{a:04}{b:04} / 0813{b:04}{a:04}")),
        8 => Some("-".to_owned()),
        9 => Some("0".to_owned()),
        10 => Some(String::new()),
        _ => None,
    }
}
