//! Why SICANTIK gave no usable answer: a variant for each case that callers tell apart.

use std::time::Duration;

use http::StatusCode;

use crate::outbound::tls::Problem;

/// A request to SICANTIK that ended without rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No complete answer within the time-out.
    #[error("no answer within {} s", after.as_secs_f64())]
    Timeout {
        /// The time-out.
        after: Duration,
    },
    /// The connection could not be made, or broke before the answer was complete.
    #[error("no connection: {reason}")]
    Connection {
        /// The innermost cause, without the address.
        reason: String,
    },
    /// No secure connection could be made.
    #[error("no secure connection: {0}")]
    Tls(Problem),
    /// A status that says that the server is overloaded or failing: 408, 429 or 5xx.
    #[error("the server answered {status}")]
    ServerBusy {
        /// The HTTP status.
        status: StatusCode,
        /// How long the server asked to be left alone (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// A status that asking again will not change: 401, 403 and the like, 404 and 400 without data,
    /// or a redirect that leads nowhere.
    #[error("the server refused with {status}{}", explained(said.as_ref()))]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What came with it.
        said: Option<Said>,
    },
    /// A redirect to another host, which is never followed.
    #[error("the server redirects to another host, {host}")]
    Redirected {
        /// The host that it names.
        host: String,
    },
    /// An answer arrived, but it is not data.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// The endpoint does not exist on this deployment (`Unknown method.`).
    #[error("this deployment does not know the method `{endpoint}`")]
    UnknownMethod {
        /// The endpoint's name.
        endpoint: &'static str,
    },
    /// An `error` object with unknown words.
    #[error("the server says: {message}")]
    Message {
        /// The server's own words, shortened.
        message: String,
    },
    /// The client was stopped before the request left.
    #[error("asking was stopped")]
    Stopped,
}

/// What came with a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The server's own words, shortened.
    Words(String),
    /// A web page, such as a login or a challenge for browsers, with its title or its first words.
    Page(Option<String>),
}

impl Said {
    /// The same, short enough for a sentence.
    pub(super) fn shortened(self) -> Self {
        match self {
            Self::Words(words) => Self::Words(shortened(&words)),
            page @ Self::Page(_) => page,
        }
    }
}

/// Words of the server in a length that fits into a sentence.
pub(super) fn shortened(words: &str) -> String {
    words.trim().chars().take(200).collect()
}

/// Why a body is not data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing at all: PHP's `json_encode` failed on a value that is not UTF-8.
    #[error("the answer is empty")]
    Empty,
    /// An HTML page: maintenance, a database error, or something else altogether.
    #[error("the answer is a web page instead of data{}", quoted(title.as_deref()))]
    Page {
        /// The page's title, where it has one.
        title: Option<String>,
    },
    /// Neither JSON nor XML, or cut off in the middle.
    #[error("the answer is neither JSON nor XML that can be read")]
    NotData,
    /// More than the client is willing to hold.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The page of a database error that the question itself causes, whenever it is asked.
    #[error("the server's database cannot answer the question: {error}")]
    QueryFailed {
        /// What the database says, in short.
        error: String,
    },
    /// A permit's identity came as a number: it has lost its leading zeros or its last digits, and
    /// is not guessed.
    #[error(
        "the answer has `{path}` as a number instead of a text, so that zeros or digits of it are \
         lost (PHP's JSON_NUMERIC_CHECK)"
    )]
    UnquotedIdentity {
        /// Where in the answer, as `[0].pendaftaran_id`.
        path: String,
    },
    /// Data, but a field is missing or not what it should be.
    #[error("the answer has no usable `{path}`: {problem}")]
    Field {
        /// Where in the answer, as `[0].d_berlaku_izin`.
        path: String,
        /// What is wrong there.
        problem: String,
    },
}

impl Error {
    /// Whether the same request may well succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Connection { .. }
            | Self::Tls(_)
            | Self::ServerBusy { .. } => true,
            // A page, an empty or a broken body come and go with the server's load. A wrong field
            // is in its data, and stays.
            Self::Unreadable(unreadable) => matches!(
                unreadable,
                Unreadable::Empty | Unreadable::Page { .. } | Unreadable::NotData
            ),
            Self::Refused { .. }
            | Self::Redirected { .. }
            | Self::UnknownMethod { .. }
            | Self::Message { .. }
            | Self::Stopped => false,
        }
    }

    /// Whether the server took too long.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Whether an answer came that does not say what was asked.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::Message { .. })
    }

    /// Whether the size of the answer, or a single row of it, is the cause, so that smaller pages
    /// may be answered.
    #[must_use]
    pub fn is_about_size_or_row(&self) -> bool {
        match self {
            Self::Unreadable(Unreadable::TooLarge { .. }) => true,
            Self::Unreadable(Unreadable::Field { path, .. }) => path.starts_with('['),
            _ => false,
        }
    }

    /// Its label in the metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Connection { .. } => "connection",
            Self::Tls(_) => "tls",
            Self::ServerBusy { .. } => "busy",
            Self::Refused { .. } => "refused",
            Self::Redirected { .. } => "redirected",
            Self::Unreadable(_) => "unreadable",
            Self::UnknownMethod { .. } => "unknown_method",
            Self::Message { .. } => "message",
            Self::Stopped => "stopped",
        }
    }

    /// How long the server asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ServerBusy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What came with a refusal, to append to a sentence.
fn explained(said: Option<&Said>) -> String {
    match said {
        None => String::new(),
        Some(Said::Words(words)) => format!(": \"{words}\""),
        Some(Said::Page(title)) => format!(": a web page{}", quoted(title.as_deref())),
    }
}

/// A page's title to append to a sentence.
fn quoted(title: Option<&str>) -> String {
    title.map(|title| format!(" (\"{title}\")")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_transient_errors_from_lasting_ones() {
        let busy = |code| Error::ServerBusy {
            status: StatusCode::from_u16(code).unwrap(),
            retry_after: None,
        };
        let cases = [
            (Error::Timeout { after: Duration::from_secs(10) }, true),
            (Error::Connection { reason: "reset".into() }, true),
            (Error::Tls(Problem::SelfSigned), true),
            (busy(429), true),
            (busy(503), true),
            (Error::Refused { status: StatusCode::FORBIDDEN, said: None }, false),
            (Error::Redirected { host: "login.example".into() }, false),
            (Unreadable::Empty.into(), true),
            (Unreadable::Page { title: None }.into(), true),
            (Unreadable::NotData.into(), true),
            (Unreadable::TooLarge { limit: 1 }.into(), false),
            (Unreadable::QueryFailed { error: "error 1064".into() }.into(), false),
            (Unreadable::UnquotedIdentity { path: "[0].no_surat".into() }.into(), false),
            (Unreadable::Field { path: "[0]".into(), problem: String::new() }.into(), false),
            (Error::UnknownMethod { endpoint: "x" }, false),
            (Error::Message { message: "?".into() }, false),
            (Error::Stopped, false),
        ];
        for (error, is_transient) in cases {
            assert_eq!(error.is_transient(), is_transient, "{error}");
        }
    }

    #[test]
    fn says_what_came_with_a_refusal() {
        let refused = |said| Error::Refused { status: StatusCode::FORBIDDEN, said }.to_string();
        assert_eq!(refused(None), "the server refused with 403 Forbidden");
        let cases = [
            (Said::Words("Invalid API Key.".into()), ": \"Invalid API Key.\""),
            (Said::Page(Some("Just a moment...".into())), ": a web page (\"Just a moment...\")"),
            (Said::Page(None), ": a web page"),
        ];
        for (said, expected) in cases {
            let expected = format!("the server refused with 403 Forbidden{expected}");
            assert_eq!(refused(Some(said)), expected);
        }
    }

    #[test]
    fn tells_a_bad_row_from_a_bad_answer() {
        let field = |path: &str| {
            Error::from(Unreadable::Field { path: path.into(), problem: String::new() })
        };
        let cases = [
            (field("[3].pendaftaran_id"), true),
            (field("error"), false),
            (Unreadable::TooLarge { limit: 1 }.into(), true),
            (Unreadable::NotData.into(), false),
            (Error::Timeout { after: Duration::from_secs(10) }, false),
        ];
        for (error, expected) in cases {
            assert_eq!(error.is_about_size_or_row(), expected, "{error}");
        }
    }

    #[test]
    fn names_a_pages_title() {
        let page = Unreadable::Page { title: Some("Sedang perbaikan".into()) };
        assert_eq!(
            page.to_string(),
            "the answer is a web page instead of data (\"Sedang perbaikan\")"
        );
    }
}
