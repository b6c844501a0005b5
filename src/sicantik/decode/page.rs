//! Web pages: what in them is no place for data, and what they tell a person.

use std::ops::Range;

use quick_xml::escape::{resolve_html5_entity, unescape_with};

/// Tags that no printed warning holds. What follows is a page, which may hold data of its own.
const PAGE_TAGS: [&str; 4] = ["<!doctype", "<html", "<head", "<body"];

/// What is not shown: how it begins and ends.
const HIDDEN: [(&str, &str); 3] =
    [("<script", "</script>"), ("<style", "</style>"), ("<!--", "-->")];

/// By one of these tags near its beginning a text is a page, if it is no data.
const TAGS: [&str; 9] =
    ["<!doctype html", "<html", "<head", "<body", "<br", "<div", "<p>", "<h1", "<script"];

/// How much of a page is quoted, in characters.
const QUOTED: usize = 80;

/// Where in a text data may begin: before any page, and not within a script.
pub(super) struct Places {
    hidden: Vec<Range<usize>>,
    end: usize,
}

impl Places {
    pub(super) fn of(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let hidden = hidden(&lower);
        let is_page = |at: usize| PAGE_TAGS.iter().any(|tag| lower[at..].starts_with(tag));
        let mut tags = lower.match_indices('<').map(|(at, _)| at);
        let end = tags.find(|at| is_page(*at) && !is_within(&hidden, *at)).unwrap_or(text.len());
        Self { hidden, end }
    }

    pub(super) fn allow(&self, at: usize) -> bool {
        at < self.end && !is_within(&self.hidden, at)
    }
}

/// Whether a place is within one of `ranges`, which are in order and apart.
fn is_within(ranges: &[Range<usize>], at: usize) -> bool {
    let next = ranges.partition_point(|range| range.end <= at);
    ranges.get(next).is_some_and(|range| range.contains(&at))
}

/// Scripts, styles and comments; one that does not end goes to the end of the text.
fn hidden(lower: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (start, _) in lower.match_indices('<') {
        if found.last().is_some_and(|last| start < last.end) {
            continue;
        }
        let begun = HIDDEN.iter().find(|(begin, _)| lower[start..].starts_with(begin));
        if let Some((_, end)) = begun {
            let length = lower[start..].find(end).map_or(lower.len() - start, |at| at + end.len());
            found.push(start..start + length);
        }
    }
    found
}

/// Whether a text that is no data is a page.
pub(super) fn is_page(text: &str) -> bool {
    let beginning: String = text.chars().take(2_000).collect::<String>().to_ascii_lowercase();
    TAGS.iter().any(|tag| beginning.contains(tag))
}

/// The title of a page or else its heading, to tell a person what it was that answered.
pub(super) fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    ["title", "h1", "h2"].into_iter().find_map(|name| {
        let start = lower.find(&format!("<{name}"))?;
        let start = start + lower[start..].find('>')? + 1;
        let end = start + lower[start..].find(&format!("</{name}"))?;
        shown(&page[start..end])
    })
}

/// The beginning of what a page, or any text, shows to a person.
pub(super) fn shown(page: &str) -> Option<String> {
    let hidden = hidden(&page.to_ascii_lowercase());
    let mut text = String::new();
    let mut at = 0;
    for range in hidden.into_iter().chain(std::iter::once(page.len()..page.len())) {
        let mut parts = page[at..range.start].split('<');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            text.push(' ');
            text.push_str(part.split_once('>').map_or("", |(_, behind)| behind));
        }
        at = range.end;
    }
    let text = unescape_with(&text, resolve_html5_entity).unwrap_or((&text).into());
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(QUOTED).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tells_what_a_page_is() {
        for (page, expected) in [
            ("<html><title>Sedang\n perbaikan</title><h1>x</h1>", Some("Sedang perbaikan")),
            ("<TITLE lang=id>A &amp; B &ndash; C</TITLE>", Some("A & B – C")),
            (
                "<html><title></title><body><h1 class=\"a\">Just a <b>moment</b>...</h1>",
                Some("Just a moment ..."),
            ),
            ("<h2>Forbidden</h2>", Some("Forbidden")),
            ("<p>Perbaikan</p>", None),
            ("<title>never closed", None),
        ] {
            assert_eq!(title(page).as_deref(), expected, "{page}");
        }
    }

    #[test]
    fn shows_what_a_person_would_see() {
        for (page, expected) in [
            ("Access denied.\r\n", Some("Access denied.")),
            ("<p>Your IP<br>is <i>blocked</i></p>", Some("Your IP is blocked")),
            ("<style>p{}</style><!-- no --><p>Yes</p><script>x<y</script>", Some("Yes")),
            ("<script>location.reload()", None),
            ("a &unknown; b", Some("a &unknown; b")),
            ("", None),
        ] {
            assert_eq!(shown(page).as_deref(), expected, "{page}");
        }
        assert_eq!(shown(&"é".repeat(200)), Some("é".repeat(80)));
    }

    #[test]
    fn data_begins_before_a_page_and_not_in_a_script() {
        let text = "a<script>b<html></SCRIPT>c<!--d-->e<BODY>f<script>g";
        let places = Places::of(text);
        let allowed: String =
            text.char_indices().filter(|(at, _)| places.allow(*at)).map(|(_, c)| c).collect();
        assert_eq!(allowed, "ace");
    }

    proptest! {
        #[test]
        fn never_panics(page in "[a-cé<>/!&; -]{0,20}(<script>|</script>|<!--|-->|<title|&amp;|[é<> ]){0,8}") {
            let _ = (title(&page), shown(&page), is_page(&page), Places::of(&page).allow(3));
        }
    }
}
