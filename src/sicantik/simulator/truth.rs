//! The truth about the permits, whatever the endpoints make of it: what a client without bugs knows
//! in the end, once all faults have passed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::routes::{Way, breaks_query, found_by};
use super::world::World;

/// The truth about one permit. Dates are `YYYY-MM-DD`.
#[derive(Debug, Serialize)]
pub(super) struct Truth {
    pub(super) pendaftaran_id: String,
    /// Byte by byte: it is what the permit is found by.
    pub(super) no_surat: String,
    /// Without double or outer spaces; the junk is kept (`0`, `-`, empty). Empty where the server
    /// cannot print it.
    n_pemohon: String,
    n_perizinan: String,
    a_pemohon: String,
    telp_pemohon: String,
    d_terima_berkas: String,
    tgl_surat: String,
    /// As stored.
    raw: Raw,
    /// How often it is in the listing: 0, 1 or 2.
    listing_rows: u8,
    listed: bool,
    /// The applicant is a placeholder.
    junk: bool,
    /// Nobody can tell who the applicant is, or that there is none.
    nameless: bool,
    /// Every page of the listing with this permit in it hangs.
    stuck: bool,
    /// When the permit expires, whether or not any endpoint says so.
    pub(super) expiry_date: Option<String>,
    /// Whether its details give a date.
    pub(super) obtainable: bool,
    /// The endpoint that gives the row of this registration.
    pub(super) via: Option<&'static str>,
    /// The outcome of asking for its details: `found`, `no_date`, `not_registered` or `failed`.
    pub(super) expected: &'static str,
    /// Why it is `failed`: `other_registration`, where only others with the same number are found,
    /// or `invalid_number`, where the number breaks the server's query.
    reason: Option<&'static str>,
    /// What an upgraded listing says: `found` or `no_date`, or nothing where it is not listed.
    expected_upgraded: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Raw {
    n_pemohon: Option<String>,
    a_pemohon: Option<String>,
    telp_pemohon: Option<String>,
    d_berlaku_izin: Option<String>,
}

/// The truth about permit `number`, which is `listing_rows` times in the listing.
pub(super) fn truth(world: &World, number: u32, listing_rows: u8) -> Truth {
    let permit = world.permit(number);
    let details = world.recipe.details(number);
    let is_empty = permit.applicant.as_deref().is_none_or(str::is_empty);
    let nameless = (permit.applicant_not_utf8 && !world.raw_bytes) || (world.xml_only && is_empty);
    let (via, others) = ways(world, number, &permit.number);
    let dated = |expiry: bool| if expiry { "found" } else { "no_date" };
    let breaks = !world.old && breaks_query(permit.number.as_bytes());
    let (expected, reason) = match (via, others) {
        (Some(_), _) => (dated(permit.expiry.is_some()), None),
        (None, _) if breaks => ("failed", Some("invalid_number")),
        (None, true) => ("failed", Some("other_registration")),
        (None, false) => ("not_registered", None),
    };
    Truth {
        n_pemohon: tidy(permit.applicant.as_deref().filter(|_| !nameless)),
        n_perizinan: tidy(Some(&permit.kind)),
        a_pemohon: tidy(details.address.as_deref()),
        telp_pemohon: tidy(details.phone.as_deref()),
        d_terima_berkas: permit.received.to_string(),
        tgl_surat: permit.issued.to_string(),
        listing_rows,
        listed: listing_rows > 0,
        junk: permit.is_junk() && !nameless,
        nameless,
        stuck: world.is_stuck(number),
        expiry_date: permit.expiry.map(|date| date.to_string()),
        obtainable: expected == "found",
        via: via.map(|way| way.endpoint().name()),
        expected,
        reason,
        expected_upgraded: (listing_rows > 0).then(|| dated(permit.expiry.is_some())),
        raw: Raw {
            n_pemohon: permit.applicant,
            a_pemohon: details.address,
            telp_pemohon: details.phone,
            d_berlaku_izin: permit.expiry_text,
        },
        pendaftaran_id: permit.registration,
        no_surat: permit.number,
    }
}

/// The first way that finds the permit itself, and whether any finds others by its number.
fn ways(world: &World, number: u32, printed: &str) -> (Option<Way>, bool) {
    let ways: &[Way] = if world.old { &[Way::Encoded] } else { &[Way::Encoded, Way::Decoded] };
    let mut others = false;
    for way in ways {
        let found = found_by(world, *way, printed.as_bytes());
        if found.contains(&number) {
            return (Some(*way), true);
        }
        others |= !found.is_empty();
    }
    (None, others)
}

/// Text without outer and repeated white space; a no-break space is one too.
fn tidy(text: Option<&str>) -> String {
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}

/// How many permits there are of each kind.
pub(super) fn summary(world: &World) -> BTreeMap<&'static str, u64> {
    let names = ["permits", "listed", "listing_rows", "junk", "dated", "obtainable"];
    let mut counts: BTreeMap<&'static str, u64> = names.map(|name| (name, 0)).into();
    for (number, listing_rows) in (0..).zip(world.times_listed()) {
        let truth = truth(world, number, listing_rows);
        let facts = [
            ("permits", 1),
            ("listed", u64::from(truth.listed)),
            ("listing_rows", u64::from(listing_rows)),
            ("junk", u64::from(truth.junk)),
            ("dated", u64::from(truth.expiry_date.is_some())),
            ("obtainable", u64::from(truth.obtainable)),
            (truth.expected, 1),
        ];
        for (name, count) in facts {
            *counts.entry(name).or_default() += count;
        }
    }
    counts
}
