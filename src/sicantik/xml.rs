//! SICANTIK's XML as a JSON value, so that one piece of code reads both forms of an answer.

use quick_xml::escape::resolve_html5_entity;
use quick_xml::{Reader, events::Event};
use serde_json::{Map, Value};

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

/// The value of the document's root, or `None` if `text` is not one whole document of the server's.
///
/// HTML's entities are resolved as well as XML's own, because PHP's `htmlentities` writes the text.
/// Nothing outside the text is ever read: document types and processing instructions are skipped.
pub(super) fn value(text: &str) -> Option<Value> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                let name = tag.name().as_ref().to_owned();
                let misplaced = open.is_empty() && name != ROOT;
                if root.is_some() || misplaced || open.len() == MAX_DEPTH {
                    return None;
                }
                open.push(Element { name, ..Element::default() });
            }
            Event::Empty(tag) => {
                let name = tag.name().as_ref().to_owned();
                match open.last_mut() {
                    Some(parent) => parent.children.push((name, Value::Null)),
                    None if root.is_none() && name == ROOT => root = Some(Value::Null),
                    None => return None,
                }
            }
            Event::End(_) => {
                let element = open.pop()?;
                let name = element.name.clone();
                match open.last_mut() {
                    Some(parent) => parent.children.push((name, element.into_value())),
                    None => root = Some(element.into_value()),
                }
            }
            Event::Text(part) => append(&mut open, &part.into_inner()),
            Event::CData(part) => append(&mut open, &part.into_inner()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => append(&mut open, character.encode_utf8(&mut [0; 4])),
                None => append(&mut open, resolve_html5_entity(&reference.into_inner())?),
            },
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            Event::Eof => return if open.is_empty() { root } else { None },
        }
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

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
