//! Rows as the server's PHP writes them: XML by `htmlentities`, with entities that XML does not
//! define, and JSON by `json_encode`, which gives up where a value is not UTF-8.

use std::fmt::Write as _;

/// A row: its fields in their order. Values are bytes, as not all are valid UTF-8.
pub(super) type Row = Vec<(&'static str, Option<Vec<u8>>)>;

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
pub(super) fn xml(document: &Document) -> Vec<u8> {
    let mut out = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<xml>".to_vec();
    match document {
        Document::List(rows) => {
            for row in rows {
                out.extend_from_slice(b"<item>");
                xml_row(&mut out, row);
                out.extend_from_slice(b"</item>");
            }
        }
        Document::Object(row) => xml_row(&mut out, row),
    }
    out.extend_from_slice(b"</xml>\n");
    out
}

fn xml_row(out: &mut Vec<u8>, row: &Row) {
    for (name, value) in row {
        match value.as_deref() {
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
pub(super) fn json(document: &Document) -> Option<Vec<u8>> {
    let mut out = String::new();
    match document {
        Document::List(rows) => {
            out.push('[');
            for (place, row) in rows.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                json_row(&mut out, row)?;
            }
            out.push(']');
        }
        Document::Object(row) => json_row(&mut out, row)?,
    }
    Some(out.into_bytes())
}

fn json_row(out: &mut String, row: &Row) -> Option<()> {
    out.push('{');
    for (place, (name, value)) in row.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        json_text(out, name);
        out.push(':');
        match value {
            None => out.push_str("null"),
            Some(value) => json_text(out, std::str::from_utf8(value).ok()?),
        }
    }
    out.push('}');
    Some(())
}

fn json_text(out: &mut String, text: &str) {
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
}
