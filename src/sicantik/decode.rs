//! From the bytes of an answer to rows, or to one named reason why there are none.
//!
//! The content decides, not the label: a proxy may strip the label, PHP prints warnings before a
//! body, and an error page comes with status 200.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;
use serde_json::Value;

use super::error::Unreadable;
use super::row::Row;
use super::xml;

/// How many places behind printed warnings are tried as the beginning of JSON.
const MAX_STARTS: usize = 1_000;

/// Tags that no printed warning holds. What follows is a page, which may hold data of its own.
const PAGE_TAGS: [&str; 5] = ["<!doctype", "<html", "<head", "<body", "<script"];

/// The form of an answer, asked for or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, which is asked for first.
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

/// The body as text: UTF-8 or, where a value is not, Windows-1252, the likeliest of what was typed in.
fn text(body: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(body).0,
    }
}

/// The first list or object of `text` that is the server's answer rather than a part of what is
/// printed around it.
fn json(text: &str) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    let page = PAGE_TAGS.iter().filter_map(|tag| lower.find(tag)).min().unwrap_or(text.len());
    let mut searched = 0;
    for (start, _) in text[..page].match_indices(['[', '{']).take(MAX_STARTS) {
        if start < searched {
            continue;
        }
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match values.next()? {
            Ok(value) => {
                searched = start + values.byte_offset();
                if is_answer(&value, &text[..start], text[searched..].trim_start()) {
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

/// Whether a value can be the answer, by what stands around it.
///
/// Alone, any value can. Otherwise PHP has printed warnings before or behind it. They are HTML and may
/// hold a `[3]` or `{}`, and a value that a closing tag follows is a part of them.
fn is_answer(value: &Value, before: &str, behind: &str) -> bool {
    if behind.is_empty() && before.is_empty() {
        return true;
    }
    let at_place = behind.is_empty() || (behind.starts_with('<') && !behind.starts_with("</"));
    at_place
        && match value {
            Value::Array(items) if items.is_empty() => behind.is_empty(),
            Value::Array(items) => items.iter().all(Value::is_object),
            Value::Object(fields) => {
                fields.get("error").is_some_and(Value::is_string)
                    || fields.contains_key("pendaftaran_id")
            }
            _ => false,
        }
}

/// Whether this begins as rows or an object do, with a first field, and not as the brackets of a
/// printed warning do. If such data is broken, what can still be read in it is not all of the answer.
fn begins_data(text: &str) -> bool {
    let inside = text.strip_prefix('[').map_or(text, str::trim_start);
    let Some(inside) = inside.strip_prefix('{').map(str::trim_start) else { return false };
    let mut names = serde_json::Deserializer::from_str(inside).into_iter::<String>();
    matches!(names.next(), Some(Ok(_)))
        && inside[names.byte_offset()..].trim_start().starts_with(':')
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

/// The title of a page, to tell a person what it was that answered.
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
    fn a_page_is_a_page_whatever_it_holds() {
        let linked = r#"{"@context":"https://schema.org","error":"x","pendaftaran_id":"1"}"#;
        let rows = r#"[{"pendaftaran_id":"0001"}]"#;
        let xhtml = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n<html xmlns=\"http://www.w3.org/1999/xhtml\">";
        for body in [
            format!("{xhtml}<body><p>Perbaikan</p></body></html>"),
            format!("{xhtml}<xml><item><pendaftaran_id>1</pendaftaran_id></item></xml></html>"),
            format!("<html><script type=\"application/ld+json\">{linked}</script></html>"),
            format!("<!DOCTYPE HTML>\n<script>\n{rows}\n</script><p>Perbaikan</p>"),
            format!("<HTML><script>var a = {{}}, rows = {rows};</script></HTML>"),
            format!("<html><body>{linked}<br/></body></html>"),
            format!("<html><body>Perbaikan <script>var rows = {rows}"),
            format!("<div>{rows}</div>"),
            r#"<div>{"error":"Sesi habis"}</div>"#.into(),
            r#"<div>Perbaikan</div>{"theme":"dark"}"#.into(),
            r#"<p>Perbaikan</p>[{"a":1},2]<br/>"#.into(),
        ] {
            let decoded = decode(body.as_bytes());
            assert!(matches!(decoded, Err(Unreadable::Page { .. })), "{body}: {decoded:?}");
            assert!(matches!(data(body.as_bytes()), Err(Unreadable::Page { .. })), "{body}");
        }
    }

    #[test]
    fn a_part_of_a_broken_answer_is_not_the_answer() {
        let row = r#"{"pendaftaran_id":"0001"}"#;
        for broken in [
            format!("[{row},{row}"),
            format!("[{row},"),
            format!("[ {row}, {{\"pendaftaran_id\":\"0002\""),
            format!("{{\"pendaftaran_id\": {row}"),
            format!("{{ \"error\" : [{row}]"),
        ] {
            for (before, behind) in
                [("", WARNING), (WARNING, WARNING), (WARNING, ""), ("", "<br />{}<br />"), ("", "")]
            {
                let body = format!("{before}{broken}{behind}");
                assert!(decode(body.as_bytes()).is_err(), "{body}");
            }
            let again = format!("{broken}{WARNING}{row}");
            assert!(decode(again.as_bytes()).is_err(), "{again}");
        }
    }

    #[test]
    fn brackets_in_a_warning_hide_nothing() {
        for printed in
            ["[3]", "{", "[", "[a, b", "{x}", "{}", "[{", "{'a': 1}", "[[1], 2]", "[\"a\"]"]
        {
            let warning = format!("<br />\n<b>Notice</b>: {printed} in /srv/a.php<br />\n");
            for data in [r#"[{"pendaftaran_id":"0001"}]"#, r#"{"pendaftaran_id":"0001"}"#] {
                let body = format!("{warning}{data}");
                assert_eq!(ids(decode(body.as_bytes())), ["0001"], "{body}");
                let body = format!("{data}{warning}");
                assert_eq!(ids(decode(body.as_bytes())), ["0001"], "{body}");
            }
            let count = format!(r#"{warning}[{{"jumlah":"89"}}]"#);
            assert!(data(count.as_bytes()).is_ok(), "{count}");
            assert_eq!(decode(format!("{warning}[]").as_bytes()), Ok(Reply::Rows(vec![])));
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
