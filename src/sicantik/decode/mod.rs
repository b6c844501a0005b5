//! From the bytes of an answer to rows, or to one named reason why there are none.
//!
//! The content decides, not the label: a proxy may strip the label, PHP prints warnings before a
//! body, and an error page comes with status 200.

mod charset;
mod compression;
mod database;
mod json;
mod page;
#[cfg(test)]
mod tests;
mod words;
mod xml;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Said, Unreadable};
use super::row::{NameStatus, Row};
use charset::Delimiter;
use page::Places;

pub(super) use compression::inflated;
pub(super) use database::error_of_question;
pub(super) use words::{say_nothing_found, say_unknown_method};

/// The fields that a permit is known by. The server prints them as texts.
const IDENTITIES: [&str; 2] = ["pendaftaran_id", "no_surat"];

/// The form of an answer, asked for or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON, which is asked for first.
    Json,
    /// XML, the server's default.
    Xml,
}

/// What the server said, in whichever form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Rows; none where the server answered with an empty list.
    Rows(Vec<Row>),
    /// An `error` object, with the server's words.
    Error(String),
}

/// What is made of an identity that is a number.
#[derive(Debug, Clone, Copy)]
enum Unquoted {
    /// An error.
    Refused,
    /// A text of the digits that are left.
    Kept,
}

/// Reads an answer's body as rows or as the server's error.
///
/// # Errors
///
/// [`Unreadable`], with the path of the field where one is wrong.
pub fn decode(body: &[u8]) -> Result<Decoded, Unreadable> {
    reply(body, Unquoted::Refused)
}

/// As [`decode`], but for a row that is known already: an identity may have lost its zeros.
pub(super) fn decode_known(body: &[u8]) -> Result<Decoded, Unreadable> {
    reply(body, Unquoted::Kept)
}

fn reply(body: &[u8], unquoted: Unquoted) -> Result<Decoded, Unreadable> {
    let (value, format) = data(body)?;
    match value {
        // An empty list is an empty element in XML.
        Value::Null => Ok(Decoded::Rows(Vec::new())),
        Value::Object(object) if !object.contains_key("pendaftaran_id") => {
            if let Some(words) = words::of(&object) {
                return Ok(Decoded::Error(words));
            }
            if object.contains_key("error") {
                let problem = "it is not a text".into();
                return Err(Unreadable::Field { path: "error".into(), problem });
            }
            rows(vec![Value::Object(object)], format, unquoted)
        }
        Value::Array(values) => rows(values, format, unquoted),
        value => rows(vec![value], format, unquoted),
    }
}

fn rows(mut values: Vec<Value>, format: Format, unquoted: Unquoted) -> Result<Decoded, Unreadable> {
    let mut name_statuses = Vec::with_capacity(values.len());
    for (index, value) in values.iter_mut().enumerate() {
        // PHP's `JSON_NUMERIC_CHECK` has taken the zeros in front, and digits of a long one.
        for name in IDENTITIES {
            match (value[name].is_number(), unquoted) {
                (false, _) => {}
                (true, Unquoted::Kept) => value[name] = value[name].to_string().into(),
                (true, Unquoted::Refused) => {
                    let path = format!("[{index}].{name}");
                    return Err(Unreadable::UnquotedIdentity { path });
                }
            }
        }
        // In XML, `htmlentities` empties a value that is not UTF-8.
        name_statuses.push(match value.get("n_pemohon") {
            None => NameStatus::Absent,
            Some(Value::Null) if format == Format::Xml => NameStatus::Emptied,
            Some(_) => NameStatus::Printed,
        });
    }
    let rows: Result<Vec<Row>, _> = serde_path_to_error::deserialize(Value::Array(values));
    let mut rows = rows.map_err(|error| Unreadable::Field {
        path: error.path().to_string(),
        problem: error.into_inner().to_string(),
    })?;
    for (row, name_status) in rows.iter_mut().zip(name_statuses) {
        row.name_status = name_status;
    }
    Ok(Decoded::Rows(rows))
}

/// The data of a body, whatever is printed around it.
///
/// # Errors
///
/// [`Unreadable`], if there is none.
pub(super) fn data(body: &[u8]) -> Result<(Value, Format), Unreadable> {
    let text = charset::text(body, Delimiter::Quote);
    let text = json::trimmed(&text);
    // Old versions of PHP print `null` where they cannot encode a value.
    if matches!(text, "" | "null") {
        return Err(Unreadable::Empty);
    }
    let places = Places::of(text);
    if let Some(value) = json::value(text, &places) {
        return Ok((value, Format::Json));
    }
    match xml(body) {
        Some(value) => Ok((value, Format::Xml)),
        None => Err(no_data(text)),
    }
}

fn xml(body: &[u8]) -> Option<Value> {
    let text = charset::text(body, Delimiter::Bracket);
    xml::value(&text, &Places::of(&text))
}

/// Whether a body begins as data does, without anything printed before.
pub(super) fn begins_with_data(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    [&b"["[..], b"{", b"<xml", b"<?xml"].iter().any(|begin| body.starts_with(begin))
}

/// What a text without data is.
fn no_data(text: &str) -> Unreadable {
    if let Some(error) = error_of_question(text) {
        Unreadable::QueryFailed { error }
    } else if text.contains("json_encode()") {
        // The warning about a value that is not UTF-8, and nothing behind it.
        Unreadable::Empty
    } else if page::is_page(text) {
        Unreadable::Page { title: page::title(text) }
    } else {
        Unreadable::NotData
    }
}

/// What a body says to a person, whatever it is.
pub(super) fn said(body: &[u8]) -> Option<Said> {
    if let Ok((Value::Object(object), _)) = data(body) {
        return words::of(&object).map(Said::Words);
    }
    let text = charset::text(body, Delimiter::Bracket);
    if page::is_page(&text) {
        Some(Said::Page(page::title(&text).or_else(|| page::shown(&text))))
    } else {
        page::shown(&text).map(Said::Words)
    }
}
