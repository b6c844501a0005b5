//! The text of a body whose values need not share one charset.
//!
//! A deployment may send what its database holds as it is: rows that were typed in as Latin-1 stand
//! beside rows in UTF-8. So each value is read by itself.

use std::borrow::Cow;
use std::str::{Utf8Error, from_utf8};

use encoding_rs::WINDOWS_1252;

/// What stands between two values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delimiter {
    /// A quotation mark, as in JSON.
    Quote,
    /// A tag's angle bracket, as in XML.
    Bracket,
}

impl Delimiter {
    fn is(self, byte: u8, is_escaped: bool) -> bool {
        match self {
            Self::Quote => byte == b'"' && !is_escaped,
            Self::Bracket => matches!(byte, b'<' | b'>'),
        }
    }
}

/// The body as text. Each value is UTF-8 or, where it is not, Windows-1252, the likeliest of what
/// was typed in. Delimiters are ASCII, which is the same in both and is no part of any other
/// character.
pub(super) fn text(body: &[u8], delimiter: Delimiter) -> Cow<'_, str> {
    if let Ok(text) = from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len() + body.len() / 16);
    let (mut start, mut is_escaped) = (0, false);
    for (at, &byte) in body.iter().enumerate() {
        if delimiter.is(byte, is_escaped) {
            text.push_str(&value(&body[start..at]));
            text.push(char::from(byte));
            start = at + 1;
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    text.push_str(&value(&body[start..]));
    Cow::Owned(text)
}

fn value(bytes: &[u8]) -> Cow<'_, str> {
    match from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) => cut_off(bytes, error)
            .map_or_else(|| WINDOWS_1252.decode_without_bom_handling(bytes).0, Cow::Borrowed),
    }
}

/// The value without its last character, if that is half a character of UTF-8: a column that is too
/// narrow cuts by bytes. Other characters before it, none of which is outlandish, tell it from a
/// letter of Windows-1252 at the end.
fn cut_off(bytes: &[u8], error: Utf8Error) -> Option<&str> {
    let whole = from_utf8(&bytes[..error.valid_up_to()]).ok()?;
    let is_outlandish = WINDOWS_1252.encode(whole).2;
    (error.error_len().is_none() && !whole.is_ascii() && !is_outlandish).then_some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_value_has_a_charset_of_its_own() {
        let cases: [(&[u8], &str); 8] = [
            (br#"["a","b"]"#, r#"["a","b"]"#),
            (b"[\"Ren\xe9\",\"Ren\xc3\xa9\"]", "[\"René\",\"René\"]"),
            // Windows-1252 has more than Latin-1: “É – €.
            (b"[\"\x93\xc9 \x96 \x80\",\"\xe2\x82\xac\"]", "[\"“É – €\",\"€\"]"),
            // Two letters of Latin-1 that by themselves could be one of UTF-8.
            (b"[\"KAF\xc9\x96 \xe9\"]", "[\"KAFÉ– é\"]"),
            // A quotation mark within a value does not end it.
            (b"[\"\\\"\xc9\x96\\\" \xe9\\\\\",\"\xc3\xa9\"]", "[\"\\\"É–\\\" é\\\\\",\"é\"]"),
            (b"[\"Jos\xc3\xa9 Ren\xc3\",\"Ren\xc3\"]", "[\"José Ren\",\"RenÃ\"]"),
            (b"\xef\xbb\xbf[\"Ren\xe9\"]", "\u{feff}[\"René\"]"),
            (b"\xe9", "é"),
        ];
        for (body, expected) in cases {
            assert_eq!(text(body, Delimiter::Quote), expected);
        }
        let xml = b"<a>Ren\xe9</a><b>\"\xc3\xa9\"</b><c>caf\xe9 \"\xc3\xa9\"</c>";
        assert_eq!(text(xml, Delimiter::Bracket), "<a>René</a><b>\"é\"</b><c>café \"Ã©\"</c>");
    }

    proptest! {
        #[test]
        fn one_value_says_nothing_of_another(
            words in proptest::collection::vec(("[a-zéêüÉ–“” /]{0,12}é", any::<bool>()), 0..8),
        ) {
            for (delimiter, [before, after]) in
                [(Delimiter::Quote, ["\"", "\""]), (Delimiter::Bracket, ["<a>", "</a>"])]
            {
                let (mut body, mut expected) = (Vec::new(), String::new());
                for (word, is_latin) in &words {
                    let latin = WINDOWS_1252.encode(word).0;
                    let bytes = if *is_latin { &latin } else { word.as_bytes() };
                    body.extend([before.as_bytes(), bytes, after.as_bytes()].concat());
                    expected += &[before, word.as_str(), after].concat();
                }
                prop_assert_eq!(text(&body, delimiter), expected);
            }
        }
    }
}
