//! What a request asks for, as the framework parses it: `/endpoint/name/value/…?name=value`, where
//! `+` means a space in the query and itself in the path.

use std::borrow::Cow;

use super::chance::mix_bytes;
use super::options::Form;

/// The path of the API, as on the real server.
pub const BASE_PATH: &str = "/backoffice/api";

/// A question to the API.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) endpoint: String,
    parameters: Vec<(String, String)>,
    /// How many of them, at the beginning, are of the query.
    of_query: usize,
}

impl Call {
    /// The question in a path and a query, or `None` where the path is not one of the API.
    pub(super) fn parse(path: &str, query: Option<&str>) -> Option<Self> {
        let rest = path.strip_prefix(BASE_PATH)?.strip_prefix('/')?;
        // The web server in front rejects an encoded slash in a path.
        if rest.contains("%2F") || rest.contains("%2f") {
            return None;
        }
        let mut segments =
            rest.split('/').filter(|segment| !segment.is_empty()).map(|text| decode(text, false));
        let endpoint = segments.next()?;
        let mut parameters = pairs(query);
        let of_query = parameters.len();
        while let Some(name) = segments.next() {
            parameters.push((name, segments.next().unwrap_or_default()));
        }
        Some(Self { endpoint, parameters, of_query })
    }

    /// The value of a parameter; the query overrides the path.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name)
    }

    /// A number that parameter `name` gives in this form; `None` where it is missing or no such
    /// number.
    pub(super) fn number(&self, name: &str, form: Form) -> Option<usize> {
        let (query, path) = self.parameters.split_at(self.of_query);
        let parameters = match form {
            Form::Both => &self.parameters[..],
            Form::Path => path,
            Form::Query => query,
        };
        find(parameters, name)?.trim().parse().ok()
    }

    /// Whether the answer is to be JSON, by the parameter or by what is accepted.
    pub(super) fn wants_json(&self, accept: &str) -> bool {
        match self.parameter("format") {
            Some("json") => true,
            Some("xml") => false,
            _ => accept.contains("json"),
        }
    }

    /// A hash of what is asked for, whatever the form and format of the request.
    pub(super) fn question(&self) -> u64 {
        let mut parts: Vec<Cow<'_, str>> = self
            .parameters
            .iter()
            .filter(|(name, _)| name != "format")
            .map(|(name, value)| format!("{name}={value}").into())
            .collect();
        parts.sort_unstable();
        parts.push(self.endpoint.as_str().into());
        mix_bytes(parts.join("&").as_bytes())
    }
}

/// The parameters of a query, decoded.
pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

/// The first value of a parameter.
pub(super) fn find<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Undoes the percent-encoding; what is not a proper `%XX` stays as it is.
fn decode(text: &str, plus_is_space: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        bytes = rest;
        match (first, rest) {
            (b'+', _) if plus_is_space => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high * 16 + low);
                    bytes = after;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*first),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    // A hexadecimal digit is at most 15.
    char::from(digit).to_digit(16).map(|value| value as u8)
}
