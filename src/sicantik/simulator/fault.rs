//! The faults that the server is known for, each in a share of requests. Which request meets which
//! is a function of the seed, the question and how often it was asked: the order in which requests
//! arrive changes nothing, and a question sent again is drawn for again.

use std::str::FromStr;

use strum::{EnumMessage, EnumString, IntoEnumIterator, IntoStaticStr, VariantNames};

use super::chance::{mix, unit};

/// One fault. Its name is that of `--fault NAME=SHARE`, and its comment is what `--help` says.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    EnumString,
    strum::EnumIter,
    EnumMessage,
    IntoStaticStr,
    VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Fault {
    /// an HTML page with status 500
    #[strum(serialize = "error-500")]
    Error500,
    /// an HTML page with status 502, from a proxy
    #[strum(serialize = "error-502")]
    Error502,
    /// an HTML page with status 503
    #[strum(serialize = "error-503")]
    Error503,
    /// status 429 with Retry-After: 1
    #[strum(serialize = "error-429")]
    Error429,
    /// status 429 with Retry-After as a date, in the form of RFC 850
    #[strum(serialize = "error-429-date")]
    Error429Date,
    /// status 408 without a body
    #[strum(serialize = "error-408")]
    Error408,
    /// the maintenance page with status 503 and Retry-After
    #[strum(serialize = "maintenance-503")]
    Maintenance503,
    /// the maintenance page with status 200
    #[strum(serialize = "maintenance-200")]
    Maintenance200,
    /// the database error page of CodeIgniter with status 500
    #[strum(serialize = "database-500")]
    Database500,
    /// the database error page of CodeIgniter with status 200
    #[strum(serialize = "database-200")]
    Database200,
    /// an empty body with status 200
    Empty,
    /// a PHP warning before a valid body
    PhpWarning,
    /// byte order marks before a valid body
    ByteOrderMark,
    /// a script before a valid body, and another behind
    Script,
    /// a valid body, compressed, which no header says
    Gzip,
    /// the same as HTTP's deflate
    Deflate,
    /// a valid body that is shorter than promised, then the connection is closed
    Short,
    /// the connection is closed without a response
    Broken,
    /// the connection is closed in the middle of the body
    Truncated,
    /// no response at all, for ten minutes
    Timeout,
    /// the right answer, late by --slow
    Slow,
    /// an empty body in JSON, as if a value were not UTF-8, while XML works
    #[strum(serialize = "invalid-utf8")]
    InvalidUtf8,
    /// a page with status 403 that wants a browser to solve something
    #[strum(serialize = "challenge-403")]
    Challenge403,
    /// status 401 with the words of the application
    #[strum(serialize = "words-401")]
    Words401,
    /// a redirect to another host
    Redirect,
    /// a body of more than 8 MiB
    Oversized,
}

impl Fault {
    /// Its name, as in `--fault NAME=SHARE`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// All faults, a line each.
pub(super) fn help() -> String {
    let lines: Vec<String> = Fault::iter()
        .map(|fault| format!("{:16} {}", fault.name(), fault.get_documentation().unwrap_or("")))
        .collect();
    lines.join("\n")
}

/// The share of requests that meet a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The fault.
    pub fault: Fault,
    /// Between 0 (none) and 1 (all).
    pub share: f64,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, share) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not KIND=SHARE, as in error-500=0.05"))?;
        let fault = name.parse().map_err(|_| {
            format!("`{name}` is not a fault; there are: {}", Fault::VARIANTS.join(", "))
        })?;
        let (number, whole) = match share.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (share, 1.0),
        };
        let share = number.parse::<f64>().ok().map(|number| number / whole);
        match share {
            Some(share) if (0.0..=1.0).contains(&share) => Ok(Self { fault, share }),
            _ => Err(format!("`{number}` in `{text}` is not a share, as in 0.05 or 5%")),
        }
    }
}

/// Which fault a request meets, if any. `question` names what is asked, `tries` how often it was
/// asked before. Shares are taken in their order; past 1 there is nothing left to take.
pub(super) fn choose(shares: &[Share], seed: u64, question: u64, tries: u32) -> Option<Fault> {
    let mut left = unit(mix(&[seed, question, u64::from(tries), 0x00fa_0175]));
    for Share { fault, share } in shares {
        if left < *share {
            return Some(*fault);
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

/// A page that only a browser gets past.
pub(super) const CHALLENGE: &str = "<!DOCTYPE html><html><head><title>Just a moment...</title>\
    </head><body><script>window.challenge = {\"error\": [1]};</script></body></html>";

/// What is injected into all that goes to a browser, data or not.
pub(super) const SCRIPT: &str = "<script>window.injected = [{\"error\": \"none\"}];</script>\n";

/// What PHP prints before a body that is valid otherwise.
pub(super) const PHP_WARNING: &str = "<br />\n<b>Warning</b>:  Invalid argument supplied for \
    foreach() in <b>/var/www/html/backoffice/application/models/m_api.php</b> on line \
    <b>214</b><br />\n";
