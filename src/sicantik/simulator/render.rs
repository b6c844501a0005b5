//! Rows as the server's PHP writes them: XML by `htmlentities`, with entities that XML does not
//! define, and JSON by `json_encode`. Of a value that is not UTF-8, the first makes nothing, and
//! the other gives up.

use std::fmt::Write as _;

/// A row: its fields in their order. Values are bytes, as not all are valid UTF-8.
pub(super) type Row = Vec<(&'static str, Option<Vec<u8>>)>;

/// How a deployment writes rows, where that differs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// Values go out as the bytes that they are.
    pub(super) raw_bytes: bool,
    /// In JSON, texts that look like numbers are numbers (`JSON_NUMERIC_CHECK`).
    pub(super) numeric_check: bool,
}

/// What an answer says.
#[derive(Debug)]
pub(super) enum Document {
    List(Vec<Row>),
    Object(Row),
}

impl Document {
    /// The object with which the server says that it has nothing.
    pub(super) fn error(message: &str) -> Self {
        Self::Object(vec![("error", Some(message.as_bytes().to_vec()))])
    }
}

/// The document as XML.
pub(super) fn xml(document: &Document, style: Style) -> Vec<u8> {
    let mut out = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<xml>".to_vec();
    match document {
        Document::List(rows) => {
            for row in rows {
                out.extend_from_slice(b"<item>");
                xml_row(&mut out, row, style);
                out.extend_from_slice(b"</item>");
            }
        }
        Document::Object(row) => xml_row(&mut out, row, style),
    }
    out.extend_from_slice(b"</xml>\n");
    out
}

fn xml_row(out: &mut Vec<u8>, row: &Row, style: Style) {
    for (name, value) in row {
        let is_written = |value: &&[u8]| style.raw_bytes || std::str::from_utf8(value).is_ok();
        match value.as_deref().filter(is_written) {
            None | Some(b"") => {
                out.push(b'<');
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"/>");
            }
            Some(value) => {
                out.push(b'<');
                out.extend_from_slice(name.as_bytes());
                out.push(b'>');
                entities(out, value);
                out.extend_from_slice(b"</");
                out.extend_from_slice(name.as_bytes());
                out.push(b'>');
            }
        }
    }
}

/// `htmlentities`: every character that HTML 4 has a name for. Bytes that are not UTF-8 go out
/// as they are.
fn entities(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match entity(character) {
                Some(name) => {
                    out.push(b'&');
                    out.extend_from_slice(name.as_bytes());
                    out.push(b';');
                }
                None => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
}

/// The names of U+00A0 to U+00FF.
const LATIN_1: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf",
    "laquo", "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro",
    "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest",
    "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute",
    "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute",
    "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute",
    "THORN", "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil",
    "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde",
    "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc",
    "uuml", "yacute", "thorn", "yuml",
];

fn entity(character: char) -> Option<&'static str> {
    Some(match character {
        '&' => "amp",
        '<' => "lt",
        '>' => "gt",
        '"' => "quot",
        '\u{a0}'..='\u{ff}' => LATIN_1[character as usize - 0xa0],
        '–' => "ndash",
        '—' => "mdash",
        '‘' => "lsquo",
        '’' => "rsquo",
        '“' => "ldquo",
        '”' => "rdquo",
        '•' => "bull",
        '…' => "hellip",
        '€' => "euro",
        '™' => "trade",
        _ => return None,
    })
}

/// The document as JSON, or `None` where a value is not UTF-8: `json_encode` fails then, and what
/// is sent is an empty body.
pub(super) fn json(document: &Document, style: Style) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match document {
        Document::List(rows) => {
            out.push(b'[');
            for (place, row) in rows.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                json_row(&mut out, row, style)?;
            }
            out.push(b']');
        }
        Document::Object(row) => json_row(&mut out, row, style)?,
    }
    Some(out)
}

fn json_row(out: &mut Vec<u8>, row: &Row, style: Style) -> Option<()> {
    out.push(b'{');
    for (place, (name, value)) in row.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend(json_text(name).into_bytes());
        out.push(b':');
        match (value, value.as_deref().map(std::str::from_utf8)) {
            (Some(value), Some(Err(_))) if style.raw_bytes => raw_text(out, value),
            (_, Some(Err(_))) => return None,
            (_, Some(Ok(text))) => match numeric(text).filter(|_| style.numeric_check) {
                Some(number) => out.extend(number.into_bytes()),
                None => out.extend(json_text(text).into_bytes()),
            },
            (_, None) => out.extend(b"null"),
        }
    }
    out.push(b'}');
    Some(())
}

/// The number that PHP takes a text for; zeros in front of it are gone.
fn numeric(text: &str) -> Option<String> {
    let digits = text.trim_start_matches('-');
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>()
        .map(|number| number.to_string())
        .or_else(|_| text.parse::<f64>().map(|number| number.to_string()))
        .ok()
}

/// A text in quotation marks whose bytes are left as they are.
fn raw_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}
