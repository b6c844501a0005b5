//! The troubles that the server is known for, each in a share of requests. Which request meets
//! which is a function of the seed, the question and how often it was asked: the order in which
//! many questions arrive changes nothing, and a question sent again is drawn for again.

use std::str::FromStr;

use super::chance::{mix, unit};

/// One trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An HTML page with status 500.
    Error500,
    /// An HTML page with status 502, as a proxy in front writes it.
    Error502,
    /// An HTML page with status 503.
    Error503,
    /// Status 429 with `Retry-After: 1`.
    Error429,
    /// Status 408 without a body.
    Error408,
    /// The maintenance page, status 503 with `Retry-After`.
    Maintenance503,
    /// The maintenance page, status 200.
    Maintenance200,
    /// The database error page of CodeIgniter, status 500.
    Database500,
    /// The same with status 200.
    Database200,
    /// No body, status 200.
    Empty,
    /// A PHP warning before the body.
    PhpWarning,
    /// The connection is closed without an answer.
    Broken,
    /// Half of the body, then the connection is closed.
    Truncated,
    /// Never an answer.
    Timeout,
    /// The right answer, late.
    Slow,
    /// As if a value were not UTF-8: no body in JSON, while XML works.
    InvalidUtf8,
    /// A redirect to another host.
    Redirect,
    /// A body of more than 8 MiB.
    Oversized,
}

/// Each trouble with its name and a few words.
const KINDS: [(Kind, &str, &str); 18] = [
    (Kind::Error500, "error-500", "an HTML page with status 500"),
    (Kind::Error502, "error-502", "an HTML page with status 502, from a proxy"),
    (Kind::Error503, "error-503", "an HTML page with status 503"),
    (Kind::Error429, "error-429", "status 429 with Retry-After: 1"),
    (Kind::Error408, "error-408", "status 408 without a body"),
    (Kind::Maintenance503, "maintenance-503", "the maintenance page with status 503"),
    (Kind::Maintenance200, "maintenance-200", "the maintenance page with status 200"),
    (Kind::Database500, "database-500", "a database error page with status 500"),
    (Kind::Database200, "database-200", "a database error page with status 200"),
    (Kind::Empty, "empty", "an empty body with status 200"),
    (Kind::PhpWarning, "php-warning", "a PHP warning before a valid body"),
    (Kind::Broken, "broken", "the connection is closed without an answer"),
    (Kind::Truncated, "truncated", "the connection is closed in the middle of the body"),
    (Kind::Timeout, "timeout", "no answer at all, for ten minutes"),
    (Kind::Slow, "slow", "the right answer, late by --slow"),
    (Kind::InvalidUtf8, "invalid-utf8", "an empty body in JSON, while XML works"),
    (Kind::Redirect, "redirect", "a redirect to another host"),
    (Kind::Oversized, "oversized", "a body of more than 8 MiB"),
];

impl Kind {
    /// Its name, as in `--fault NAME=SHARE`.
    pub fn name(self) -> &'static str {
        // The table has all of them; a test goes through it.
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        KINDS.iter().find(|(_, name, _)| *name == text).map(|(kind, ..)| *kind).ok_or_else(|| {
            let names: Vec<&str> = KINDS.iter().map(|(_, name, _)| *name).collect();
            format!("`{text}` is not a fault; there are: {}", names.join(", "))
        })
    }
}

/// All kinds with what they are, a line each.
pub(super) fn help() -> String {
    let lines: Vec<String> =
        KINDS.iter().map(|(_, name, words)| format!("{name:16} {words}")).collect();
    lines.join("\n")
}

/// The share of requests that meet a trouble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The trouble.
    pub kind: Kind,
    /// Between 0 (none) and 1 (all).
    pub share: f64,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, share) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not KIND=SHARE, as in error-500=0.05"))?;
        let kind = kind.parse()?;
        let (number, whole) = match share.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (share, 1.0),
        };
        let share = number.parse::<f64>().ok().map(|number| number / whole);
        match share {
            Some(share) if (0.0..=1.0).contains(&share) => Ok(Self { kind, share }),
            _ => Err(format!("`{number}` in `{text}` is not a share, as in 0.05 or 5%")),
        }
    }
}

/// Which trouble a request meets, if any. `question` names what is asked, `tries` how often it
/// was asked before. Shares are taken in their order and past 1 there is nothing left to take.
pub(super) fn choose(shares: &[Share], seed: u64, question: u64, tries: u32) -> Option<Kind> {
    let mut left = unit(mix(&[seed, question, u64::from(tries), 0x00fa_0175]));
    for Share { kind, share } in shares {
        if left < *share {
            return Some(*kind);
        }
        left -= share;
    }
    None
}

/// A page of the web server or of the framework instead of an answer.
pub(super) fn page(title: &str, text: &str) -> Vec<u8> {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{title}</title>\n</head>\n<body>\n<div id=\"container\">\n<h1>{title}</h1>\n\
         <p>{text}</p>\n</div>\n</body>\n</html>\n"
    )
    .into_bytes()
}

/// What PHP prints before a body that is valid otherwise.
pub(super) const PHP_WARNING: &str = "<br />\n<b>Warning</b>:  Invalid argument supplied for \
    foreach() in <b>/var/www/html/backoffice/application/models/m_api.php</b> on line \
    <b>214</b><br />\n";
