//! From the bytes of an answer to rows, or to one named reason why there are none.
//!
//! The server's label is not believed: a proxy may strip it, PHP prints warnings before a body, and an error
//! page comes with status 200. What decides is the content.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;
use serde_json::Value;

use super::error::Unreadable;
use super::row::Row;
use super::xml;

/// Where JSON may begin behind printed warnings is tried this often at most.
const MAX_STARTS: usize = 1_000;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, as was asked for.
    Json,
    /// XML, the server's default.
    Xml,
}

/// What the server said, in whichever form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Rows; none where the server answered with an empty list.
    Rows(Vec<Row>),
    /// An `error` object, with the server's words.
    Error(String),
}

/// Reads an answer's body as rows or as the server's error.
///
/// # Errors
///
/// [`Unreadable`], with the path of the field where one is wrong.
pub fn decode(body: &[u8]) -> Result<Reply, Unreadable> {
    match data(body)?.0 {
        // An empty list is an empty element in XML.
        Value::Null => Ok(Reply::Rows(Vec::new())),
        Value::Object(mut object) => match object.remove("error") {
            Some(Value::String(message)) => Ok(Reply::Error(message)),
            Some(_) => {
                Err(Unreadable::Field { path: "error".into(), problem: "it is not a text".into() })
            }
            None => rows(Value::Array(vec![Value::Object(object)])),
        },
        value => rows(value),
    }
}

fn rows(value: Value) -> Result<Reply, Unreadable> {
    serde_path_to_error::deserialize(value).map(Reply::Rows).map_err(|error| Unreadable::Field {
        path: error.path().to_string(),
        problem: error.into_inner().to_string(),
    })
}

/// The data of a body, whatever is printed around it.
///
/// # Errors
///
/// [`Unreadable`], if there is none.
pub(super) fn data(body: &[u8]) -> Result<(Value, Format), Unreadable> {
    let text = text(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    json(text)
        .map(|value| (value, Format::Json))
        .or_else(|| embedded_xml(text).map(|value| (value, Format::Xml)))
        .ok_or_else(|| {
            if is_page(text) {
                Unreadable::Page { title: title(text) }
            } else {
                Unreadable::NotData
            }
        })
}

/// The body as text: UTF-8 or, where a value is not, the Latin of the forms that were typed in.
fn text(body: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(body).0,
    }
}

/// The first list or object that reaches to the end of `text`, or to HTML that is printed behind it.
fn json(text: &str) -> Option<Value> {
    for (start, _) in text.match_indices(['[', '{']).take(MAX_STARTS) {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match values.next()? {
            Ok(value) => {
                let rest = text[start + values.byte_offset()..].trim_start();
                if rest.is_empty() || (rest.starts_with('<') && holds_rows(&value)) {
                    return Some(value);
                }
            }
            // Cut off: a row that is whole inside of it must not pass for the answer.
            Err(error) if error.is_eof() => return None,
            Err(_) => {}
        }
    }
    None
}

/// Whether this can be data at all, and not the `[3]` or `{}` of a printed warning.
fn holds_rows(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(Value::is_object),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}

/// The XML document that begins somewhere in `text` and ends with it.
fn embedded_xml(text: &str) -> Option<Value> {
    let start = text.find("<?xml").or_else(|| text.find("<xml"))?;
    xml::value(&text[start..])
}

fn is_page(text: &str) -> bool {
    let beginning: String = text.chars().take(2_000).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body", "<br", "<div", "<p>", "<h1"]
        .iter()
        .any(|tag| beginning.contains(tag))
}

/// The title of a page, for the person who wonders what answered.
fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    let title: Vec<&str> = page[start..end].split_whitespace().collect();
    let title: String = title.join(" ").chars().take(80).collect();
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WARNING: &str = "<br />\n<b>Warning</b>:  Undefined index: d[0] {x} in <b>/srv/api/perizinan.php</b> on line <b>12</b><br />\n";

    fn ids(reply: Result<Reply, Unreadable>) -> Vec<String> {
        match reply {
            Ok(Reply::Rows(rows)) => rows.into_iter().map(|row| row.registration_id).collect(),
            other => panic!("rows were expected, not {other:?}"),
        }
    }

    #[test]
    fn reads_a_list_or_one_object_in_both_forms() {
        for body in [
            r#"[{"pendaftaran_id":"0001"},{"pendaftaran_id":"0002"}]"#,
            "<xml><item><pendaftaran_id>0001</pendaftaran_id></item><item><pendaftaran_id>0002</pendaftaran_id></item></xml>",
        ] {
            assert_eq!(ids(decode(body.as_bytes())), ["0001", "0002"]);
        }
        for body in [
            r#"{"pendaftaran_id":"0001"}"#,
            "<xml><pendaftaran_id>0001</pendaftaran_id></xml>",
            "<xml><item><pendaftaran_id>0001</pendaftaran_id></item></xml>",
            "\u{feff}{\"pendaftaran_id\": 1}".replace(": 1", ":\"0001\"").as_str(),
        ] {
            assert_eq!(ids(decode(body.as_bytes())), ["0001"]);
        }
    }

    #[test]
    fn reads_every_field_and_tells_absent_from_empty() {
        let body = r#"[{"pendaftaran_id":"0001","no_surat":"503\/1 \u00ea","n_pemohon":0,"n_perizinan":null,"d_berlaku_izin":null},{"pendaftaran_id":"2"}]"#;
        let Ok(Reply::Rows(rows)) = decode(body.as_bytes()) else { panic!("no rows") };
        assert_eq!(rows[0].permit_number, "503/1 ê");
        assert_eq!(rows[0].applicant_name, "0");
        assert_eq!(rows[0].permit_type_name, "");
        assert_eq!(rows[0].expiry.as_deref(), Some(""));
        assert_eq!(rows[1].expiry, None);
    }

    #[test]
    fn reads_the_servers_errors() {
        let words = "No Izin tidak Terdaftar!";
        for body in [
            format!(r#"{{"error":"{words}"}}"#),
            format!("<xml><error>{words}</error></xml>"),
            format!(r#"{{"status":false,"error":"{words}"}}"#),
        ] {
            assert_eq!(decode(body.as_bytes()), Ok(Reply::Error(words.into())));
        }
    }

    #[test]
    fn reads_data_behind_and_before_warnings() {
        for data in [
            r#"[{"pendaftaran_id":"0001"}]"#,
            "<xml><item><pendaftaran_id>0001</pendaftaran_id></item></xml>",
            "<?xml version=\"1.0\"?>\n<xml><item><pendaftaran_id>0001</pendaftaran_id></item></xml>",
        ] {
            assert_eq!(ids(decode(format!("{WARNING}{data}").as_bytes())), ["0001"], "{data}");
        }
        let behind = format!(r#"[{{"pendaftaran_id":"0001"}}]{WARNING}"#);
        assert_eq!(ids(decode(behind.as_bytes())), ["0001"]);
    }

    #[test]
    fn reads_names_that_are_not_utf8() {
        let body = b"<xml><item><pendaftaran_id>1</pendaftaran_id><n_pemohon>Ren\xe9</n_pemohon></item></xml>";
        let Ok(Reply::Rows(rows)) = decode(body) else { panic!("no rows") };
        assert_eq!(rows[0].applicant_name, "René");
    }

    #[test]
    fn an_empty_list_is_no_rows() {
        for body in ["[]", "<xml></xml>", "<xml/>"] {
            assert_eq!(decode(body.as_bytes()), Ok(Reply::Rows(vec![])), "{body}");
        }
    }

    #[test]
    fn names_the_reason_why_it_is_not_data() {
        let page = |title: Option<&str>| Unreadable::Page { title: title.map(Into::into) };
        let cases = [
            ("", Unreadable::Empty),
            (" \r\n", Unreadable::Empty),
            (
                "<!DOCTYPE html><html><head><title>Sedang\n perbaikan</title></head></html>",
                page(Some("Sedang perbaikan")),
            ),
            ("<html><body><h1>Database Error [42]</h1></body></html>", page(None)),
            (WARNING, page(None)),
            ("null", Unreadable::NotData),
            ("Hello", Unreadable::NotData),
            (r#"[{"pendaftaran_id":"00"#, Unreadable::NotData),
            ("<xml><item><pendaftaran_id>0001</pend", Unreadable::NotData),
        ];
        for (body, reason) in cases {
            assert_eq!(decode(body.as_bytes()), Err(reason), "{body}");
        }
    }

    #[test]
    fn names_the_path_of_the_bad_field() {
        let cases = [
            (r#"[{"pendaftaran_id":"1"},{"pendaftaran_id":{"a":"1"}}]"#, "[1].pendaftaran_id"),
            (r#"[{"pendaftaran_id":"1","d_berlaku_izin":["x"]}]"#, "[0].d_berlaku_izin"),
            (r#"[{"no_surat":"1"}]"#, "[0]"),
            (r#"["x"]"#, "[0]"),
            (r#"{"error":{}}"#, "error"),
        ];
        for (body, expected) in cases {
            match decode(body.as_bytes()) {
                Err(Unreadable::Field { path, .. }) => assert_eq!(path, expected, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body);
        }

        #[test]
        fn never_panics_on_almost_data(body in "[\\[\\]{}\",:a-c<>/&;x0-9 ]{0,80}") {
            let _ = decode(body.as_bytes());
        }

        #[test]
        fn a_truncated_answer_is_never_rows(cut in 1usize..55) {
            let whole = r#"[{"pendaftaran_id":"0001"},{"pendaftaran_id":"0002"}]"#;
            let reply = decode(&whole.as_bytes()[..whole.len() - cut.min(whole.len())]);
            prop_assert!(reply.is_err(), "{reply:?}");
        }
    }
}
