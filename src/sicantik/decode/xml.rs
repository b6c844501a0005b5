//! SICANTIK's XML as a JSON value, so that one piece of code reads both forms of an answer.

use quick_xml::escape::resolve_html5_entity;
use quick_xml::{Reader, events::Event};
use serde_json::{Map, Value};

use super::json::trimmed;
use super::page::Places;

/// Deeper than any answer (`xml`, `item`, field); it stops a bomb of nested elements.
const MAX_DEPTH: usize = 16;

/// An element that has been opened.
#[derive(Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<(String, Value)>,
}

impl Element {
    /// A list where every child is an `item`, an object where there are other children, a text, or
    /// null where there is nothing: an empty element is how the server prints null.
    fn into_value(self) -> Value {
        if self.children.is_empty() {
            return if self.text.is_empty() { Value::Null } else { Value::String(self.text) };
        }
        if self.children.iter().all(|(name, _)| name == "item") {
            return self.children.into_iter().map(|(_, value)| value).collect();
        }
        Value::Object(Map::from_iter(self.children))
    }
}

/// The root of the server's documents. A page can be a whole document too, but its root is `html`.
const ROOT: &str = "xml";

/// The value of the server's document in `text`, whatever PHP has printed before or behind it.
pub(super) fn value(text: &str, places: &Places) -> Option<Value> {
    let start = text.match_indices("<xml").map(|(at, _)| at).find(|at| places.allow(*at))?;
    let (value, length) = root(&text[start..])?;
    let behind = trimmed(&text[start + length..]);
    // As in JSON: what a closing tag follows is a part of something else.
    let is_all = behind.is_empty()
        || (behind.starts_with('<')
            && !["</", "<xml", "<?xml"].iter().any(|tag| behind.starts_with(tag))
            && !value.is_null());
    is_all.then_some(value)
}

/// The value of the element that `text` begins with, if it is whole and the server's, and its
/// length.
///
/// HTML's entities are resolved as well as XML's own, because PHP's `htmlentities` writes the text.
/// Nothing outside the text is ever read: document types and processing instructions are skipped.
fn root(text: &str) -> Option<(Value, usize)> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let closed = match reader.read_event().ok()? {
            Event::Start(tag) => {
                let name = tag.name().as_ref().to_owned();
                let is_misplaced = open.is_empty() && name != ROOT;
                if is_misplaced || open.len() == MAX_DEPTH {
                    return None;
                }
                open.push(Element { name, ..Element::default() });
                continue;
            }
            Event::Empty(tag) => (tag.name().as_ref().to_owned(), Value::Null),
            Event::End(_) => {
                let mut element = open.pop()?;
                (std::mem::take(&mut element.name), element.into_value())
            }
            Event::Eof => return None,
            other => {
                append(&mut open, &other)?;
                continue;
            }
        };
        match open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None if closed.0 == ROOT => {
                let length = usize::try_from(reader.buffer_position()).ok()?;
                return Some((closed.1, length));
            }
            None => return None,
        }
    }
}

/// Adds the text of an event to the innermost element; `None` if nobody knows what it stands for.
fn append(open: &mut [Element], event: &Event<'_>) -> Option<()> {
    let Some(element) = open.last_mut() else { return Some(()) };
    match event {
        Event::Text(part) => element.text.push_str(part),
        Event::CData(part) => element.text.push_str(part),
        Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
            Some(character) => element.text.push(character),
            None => element.text.push_str(resolve_html5_entity(reference)?),
        },
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Option<Value> {
        super::value(text, &Places::of(text))
    }

    #[test]
    fn reads_lists_objects_and_empty_elements() {
        let list = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<xml><item><a>1</a><b/></item><item><a></a></item></xml>\n";
        assert_eq!(value(list), Some(json!([{"a": "1", "b": null}, {"a": null}])));
        let error = "<xml><error>No Izin tidak Terdaftar!</error></xml>";
        assert_eq!(value(error), Some(json!({"error": "No Izin tidak Terdaftar!"})));
        assert_eq!(value("<xml/>"), Some(Value::Null));
        assert_eq!(value("<xml>\n  <item>\n <a>x</a>\n</item> </xml>"), Some(json!([{"a": "x"}])));
    }

    #[test]
    fn resolves_the_entities_of_html() {
        let text = "<xml><item><n>Br&ecirc;na &amp; S&ouml;hne &ndash; &ldquo;X&rdquo; &#233;&#x41;&nbsp;&lt;&gt;</n></item></xml>";
        assert_eq!(value(text), Some(json!([{"n": "Brêna & Söhne – “X” éA\u{a0}<>"}])));
    }

    #[test]
    fn takes_nothing_but_a_whole_document() {
        for text in [
            "",
            "plain",
            "<xml><item>",
            "<xml><item></xml></item>",
            "<xml></xml><xml></xml>",
            "<xml>&nosuchentity;</xml>",
            "<xml></xml",
            "</xml>",
            "<html><body>Perbaikan</body></html>",
            "<item/>",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
        let deep = |levels| format!("<xml>{}{}</xml>", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(value(&deep(5)).is_some());
        assert_eq!(value(&deep(100)), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>/a-c&;! -]{0,60}") {
            let _ = value(&text);
        }
    }
}
