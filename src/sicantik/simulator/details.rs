//! What the details of a permit show beyond its row in the listing.

use super::chance::Draw;
use super::permits::Recipe;
use super::words;

/// The topic of these draws; the others are in `permits`.
const TOPIC: u64 = 7;

/// How many of a thousand permits have each quirk.
mod per_mille {
    pub(super) const NOT_UTF8_ADDRESS: u64 = 15;
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
