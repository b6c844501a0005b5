//! What each endpoint answers, quirks included, apart from faults and HTTP.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::endpoint::Endpoint;
use super::fault;
use super::permits::Permit;
use super::render::{Document, Row};
use super::request::Call;
use super::words;
use super::world::{Page, World};

/// Whether this asks for the listing.
pub(super) fn is_listing(endpoint: &str) -> bool {
    endpoint.parse() == Ok(Endpoint::Listing)
}

/// The two ways to the details of a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Compares the number as it came, in base64, with a column that was not always filled.
    Encoded,
    /// Decodes it and compares the number itself; missing from older deployments.
    Decoded,
}

impl Way {
    pub(super) fn endpoint(self) -> Endpoint {
        match self {
            Self::Encoded => Endpoint::Details,
            Self::Decoded => Endpoint::DetailsByNumber,
        }
    }
}

/// What the server says.
#[derive(Debug)]
pub(super) enum Answer {
    Document(u16, Document),
    /// A status with a page for people.
    Page(u16, Vec<u8>),
    /// A status without a body.
    Bare(u16),
    /// Nothing, ever.
    Hangs,
}

/// Answers `call`. `twist` displaces rows of the listing.
pub(super) fn answer(world: &World, call: &Call, twist: u64) -> Answer {
    match call.endpoint.parse() {
        Ok(Endpoint::Listing) => listing(world, call, twist),
        Ok(Endpoint::Details) => details(world, call, Way::Encoded),
        Ok(Endpoint::DetailsByNumber) if !world.old => details(world, call, Way::Decoded),
        Ok(Endpoint::TypeCount) => {
            let count = vec![("jumlah", Some(words::TYPES.to_string().into_bytes()))];
            let document = match world.other_shapes {
                true => Document::Object(count),
                false => Document::List(vec![count]),
            };
            Answer::Document(200, document)
        }
        Ok(Endpoint::Types) => {
            Answer::Document(200, Document::List((0..words::TYPES).map(kind).collect()))
        }
        Ok(Endpoint::DetailsByNumber) | Err(_) => unknown_method(),
    }
}

/// What the framework says about a path or an HTTP method that it does not know.
pub(super) fn unknown_method() -> Answer {
    Answer::Document(404, Document::error("Unknown method."))
}

fn kind(number: u64) -> Row {
    vec![
        ("id", Some((number + 1).to_string().into_bytes())),
        ("n_perizinan", Some(words::type_name(number).into_bytes())),
    ]
}

fn listing(world: &World, call: &Call, twist: u64) -> Answer {
    let Some(limit) = call.number("limit").filter(|limit| *limit > 0) else {
        return Answer::Bare(400);
    };
    let Some(offset) = call.number("offset") else {
        return Answer::Bare(404);
    };
    match world.page(offset, limit, twist) {
        Page::Hangs => Answer::Hangs,
        Page::Rows(rows) if rows.is_empty() => {
            Answer::Document(404, nothing(world, "Tidak ada data.."))
        }
        Page::Rows(rows) => {
            let rows = rows.into_iter().map(|row| listing_row(world, &world.permit(row)));
            Answer::Document(200, Document::List(rows.collect()))
        }
    }
}

fn listing_row(world: &World, permit: &Permit) -> Row {
    let rows = world.listed_rows();
    // The server counts with another filter.
    let counted = if world.recipe.clean { rows } else { rows * 93 / 100 };
    let mut row = vec![
        ("pendaftaran_id", text(&permit.registration)),
        ("n_pemohon", applicant(permit)),
        ("n_perizinan", text(&permit.kind)),
        ("no_surat", text(&permit.number)),
        ("num_rows", text(&counted.to_string())),
    ];
    if world.upgraded || world.received {
        row.push(("d_terima_berkas", text(&permit.received.to_string())));
    }
    if world.upgraded {
        row.push(("d_berlaku_izin", permit.expiry_text.as_deref().and_then(text)));
    }
    row
}

fn details(world: &World, call: &Call, way: Way) -> Answer {
    let asked = call.parameter("no_izin").unwrap_or_default();
    let number = match way {
        // Only the exact text of the column matches, and only base64 is in the column.
        Way::Encoded => STANDARD.decode(asked).unwrap_or_default(),
        Way::Decoded => lenient_base64(asked),
    };
    if way == Way::Decoded && breaks_query(&number) {
        let text = "Error Number: 1064 You have an error in your SQL syntax";
        return Answer::Page(500, fault::page("A Database Error Occurred", text));
    }
    let rows: Vec<Row> = found_by(world, way, &number)
        .into_iter()
        .flat_map(|permit| details_rows(world, permit))
        .collect();
    if rows.is_empty() {
        Answer::Document(404, nothing(world, "No Izin tidak Terdaftar!"))
    } else {
        Answer::Document(200, Document::List(rows))
    }
}

/// Whether `cekperizinanizin`, which puts the number into its SQL as it is, fails on it.
pub(super) fn breaks_query(number: &[u8]) -> bool {
    number.iter().any(|byte| matches!(byte, b'\'' | b'\\'))
}

/// The object with which the server says that it has nothing, in the shape of this deployment.
fn nothing(world: &World, words: &str) -> Document {
    if !world.other_shapes {
        return Document::error(words);
    }
    Document::Object(vec![("status", text("false")), ("message", text(words)), ("data", None)])
}

/// The permits that a way finds by number.
pub(super) fn found_by(world: &World, way: Way, number: &[u8]) -> Vec<u32> {
    let mut found = world.with_number(number);
    found.retain(|permit| {
        let permit = world.permit(*permit);
        let is_found = match way {
            Way::Encoded => permit.column_filled,
            Way::Decoded => !breaks_query(number),
        };
        permit.has_company && is_found
    });
    found
}

/// The rows that the join makes of a permit: the same but for the village.
fn details_rows(world: &World, number: u32) -> Vec<Row> {
    let permit = world.permit(number);
    let details = world.recipe.details(number);
    let address = match &details.address {
        Some(address) if details.address_not_utf8 => Some(windows_1252(address)),
        address => address.as_deref().and_then(text),
    };
    let row = |repeat: usize| {
        let village = if repeat == 0 {
            details.village
        } else {
            words::VILLAGES[repeat % words::VILLAGES.len()]
        };
        vec![
            ("pendaftaran_id", text(&permit.registration)),
            ("n_pemohon", applicant(&permit)),
            ("n_perizinan", text(&permit.kind)),
            ("no_surat", text(&permit.number)),
            ("d_terima_berkas", text(&permit.received.to_string())),
            ("d_berlaku_izin", permit.expiry_text.as_deref().and_then(text)),
            ("a_pemohon", address.clone()),
            ("telp_pemohon", details.phone.as_deref().and_then(text)),
            ("tgl_surat", text(&permit.issued.to_string())),
            ("n_perusahaan", text(&details.company)),
            ("npwp", details.tax_number.as_deref().and_then(text)),
            ("a_perusahaan", address.clone()),
            ("d_tgl_berdiri", text(&details.founded)),
            ("i_telp_perusahaan", text("-")),
            ("n_kecamatan", text(details.district)),
            ("n_kabupaten", text("KARO")),
            ("n_propinsi", text("SUMATERA UTARA")),
            ("n_kelurahan", text(village)),
        ]
    };
    (0..permit.rows).map(row).collect()
}

fn text(value: &str) -> Option<Vec<u8>> {
    Some(value.as_bytes().to_vec())
}

fn applicant(permit: &Permit) -> Option<Vec<u8>> {
    let applicant = permit.applicant.as_deref()?;
    if permit.applicant_not_utf8 { Some(windows_1252(applicant)) } else { text(applicant) }
}

fn windows_1252(text: &str) -> Vec<u8> {
    encoding_rs::WINDOWS_1252.encode(text).0.into_owned()
}

/// PHP's `base64_decode`: skips what is not base64, spaces above all, and asks for no padding.
fn lenient_base64(encoded: &str) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let mut clean: Vec<u8> = encoded
        .bytes()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    // A single character is less than a byte.
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    LENIENT.decode(clean).unwrap_or_default()
}
