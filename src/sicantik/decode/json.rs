//! The JSON in a text that PHP may have printed warnings around.

use serde_json::{Map, Value};

use super::page::Places;

/// How many places behind printed warnings are tried as the beginning of JSON.
const MAX_STARTS: usize = 1_000;

/// Where the server's words stand, if it has no rows.
const WORDS: [&str; 4] = ["error", "message", "msg", "pesan"];

/// The first list or object of `text` that is the server's answer rather than a part of what is
/// printed around it.
pub(super) fn value(text: &str, places: &Places) -> Option<Value> {
    let mut searched = 0;
    let starts = text.match_indices(['[', '{']).filter(|(start, _)| places.allow(*start));
    for (start, _) in starts.take(MAX_STARTS) {
        if start < searched {
            continue;
        }
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match values.next()? {
            Ok(value) => {
                searched = start + values.byte_offset();
                if is_answer(&value, trimmed(&text[..start]), trimmed(&text[searched..])) {
                    return Some(value);
                }
            }
            // Cut off: a whole row inside it must not pass for the answer.
            Err(error) if error.is_eof() || begins_data(&text[start..]) => return None,
            Err(_) => {}
        }
    }
    None
}

/// Without what prints nothing. Each file that PHP includes may begin with a byte order mark.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || character == '\u{feff}')
}

/// Whether a value can be the answer, by what stands around it.
///
/// Alone, any value can. Otherwise PHP has printed warnings before or behind it. They are HTML and
/// may hold a `[3]` or `{}`, and a value that a closing tag follows is a part of them.
fn is_answer(value: &Value, before: &str, behind: &str) -> bool {
    if behind.is_empty() && before.is_empty() {
        return true;
    }
    let at_place = behind.is_empty() || (behind.starts_with('<') && !behind.starts_with("</"));
    at_place
        && match value {
            Value::Array(items) if items.is_empty() => behind.is_empty(),
            Value::Array(items) => items.iter().all(Value::is_object),
            Value::Object(fields) => is_known(fields),
            _ => false,
        }
}

/// Whether an object is one of the API's: a row, an error, or the number of permit types.
fn is_known(fields: &Map<String, Value>) -> bool {
    fields.contains_key("pendaftaran_id")
        || fields.keys().any(|name| name.to_ascii_lowercase().starts_with("jumlah"))
        || WORDS.iter().any(|name| fields.get(*name).is_some_and(Value::is_string))
}

/// Whether this begins as rows or an object do, with a first field, and not as the brackets of a
/// printed warning do. If such data is broken, what can still be read in it is not all of the
/// answer.
fn begins_data(text: &str) -> bool {
    let inside = text.strip_prefix('[').map_or(text, str::trim_start);
    let Some(inside) = inside.strip_prefix('{').map(str::trim_start) else { return false };
    let mut names = serde_json::Deserializer::from_str(inside).into_iter::<String>();
    matches!(names.next(), Some(Ok(_)))
        && inside[names.byte_offset()..].trim_start().starts_with(':')
}
