//! Why there is no secure connection, and what to do about it.

use std::error::Error as StdError;
use std::io;

use chrono::DateTime;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

/// Why there is no secure connection. `Display` is the cause, as the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The certificate is over.
    #[error("its certificate ended on {0}")]
    Expired(String),
    /// The certificate has not begun.
    #[error("its certificate begins on {0}")]
    NotYet(String),
    /// The certificate is another server's.
    #[error("its certificate is for {presented}, not for {expected}")]
    WrongName {
        /// The name in the address.
        expected: String,
        /// The names on it.
        presented: String,
    },
    /// Nobody but the server itself vouches for it.
    #[error("its certificate is self-signed: no authority vouches for it")]
    SelfSigned,
    /// The certificate's issuer is unknown, and the server sent no other certificate.
    #[error(
        "it does not send the intermediate certificate that leads from its own to an authority \
         that this machine knows"
    )]
    NoChain,
    /// The certificates lead to nobody known.
    #[error("its certificate is of an authority that this machine does not know")]
    UnknownAuthority,
    /// The certificate was withdrawn.
    #[error("its certificate has been revoked")]
    Revoked,
    /// The two sides have no version or cipher in common.
    #[error("it offers only TLS 1.0 or 1.1, or ciphers that have been given up as unsafe")]
    Outdated,
    /// It hung up when TLS was to be set up.
    #[error("it closed the connection while TLS was being set up")]
    Closed,
    /// It speaks something else.
    #[error("what answers there does not speak TLS")]
    NoTls,
    /// Whatever else there is.
    #[error("TLS could not be set up ({0})")]
    Other(String),
}

impl Problem {
    /// What to do about it, as a sentence. `setting` is the setting that names the file with
    /// further authorities.
    #[must_use]
    pub fn remedy(&self, setting: &str) -> String {
        match self {
            Self::Expired(_) => {
                "Have it renewed, or correct this machine's clock if that is wrong.".to_owned()
            }
            Self::NotYet(_) => {
                "Correct this machine's clock; if that is right, have the certificate replaced."
                    .to_owned()
            }
            Self::WrongName { .. } => {
                "Use a name that is on it in the address, or have one made for this name."
                    .to_owned()
            }
            Self::SelfSigned => format!(
                "If it is the right server, save its certificate in a file and name that with \
                 {setting}."
            ),
            Self::NoChain => format!(
                "Have the server send its whole chain, or save the intermediate certificate in a \
                 file and name that with {setting}."
            ),
            Self::UnknownAuthority => {
                format!("Save the authority's certificate in a file and name that with {setting}.")
            }
            Self::Revoked => "Have it replaced; do not use the server before.".to_owned(),
            Self::Outdated => "Have TLS 1.2 or later switched on there.".to_owned(),
            Self::Closed => "It may offer only TLS 1.0, or a firewall hangs up: have TLS 1.2 or \
                             later switched on there, and the way checked."
                .to_owned(),
            Self::NoTls => {
                "Use http:// in the address, or the port that is for https://.".to_owned()
            }
            Self::Other(_) => "Have the server's TLS checked.".to_owned(),
        }
    }

    /// The problem that made a request fail, if TLS did.
    pub(in crate::outbound) fn find(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Error>() {
                return Some(Self::of(found));
            }
            // An I/O error is not the source of the one around it, but inside it.
            let mut around = error.downcast_ref::<io::Error>();
            while let Some(error) = around {
                let inside = error.get_ref();
                if let Some(found) = inside.and_then(|inside| inside.downcast_ref::<Error>()) {
                    return Some(Self::of(found));
                }
                // tokio-rustls says it in these words alone.
                if error.to_string() == "tls handshake eof" {
                    return Some(Self::Closed);
                }
                around = inside.and_then(|inside| inside.downcast_ref::<io::Error>());
            }
            cause = error.source();
        }
        None
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::Other(other) => {
                let own = other.0.downcast_ref::<Self>().cloned();
                own.unwrap_or_else(|| Self::Other(other.to_string()))
            }
            Error::InvalidMessage(_) => Self::NoTls,
            Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity,
            ) => Self::Outdated,
            error => Self::Other(error.to_string()),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(day(*not_after)),
            CertificateError::Expired => Self::Expired("a day that is past".to_owned()),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYet(day(*not_before))
            }
            CertificateError::NotValidYet => Self::NotYet("a day to come".to_owned()),
            CertificateError::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented: names(presented),
            },
            CertificateError::NotValidForName => Self::WrongName {
                expected: "this one".to_owned(),
                presented: "another name".to_owned(),
            },
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::Revoked => Self::Revoked,
            error => Self::Other(error.to_string()),
        }
    }
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let moment = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    moment.map_or_else(|| "an unknown day".to_owned(), |at| at.format("%Y-%m-%d").to_string())
}

/// Names as rustls writes them, `DnsName("a.example")`, for people.
fn names(presented: &[String]) -> String {
    const MOST: usize = 5;
    let bare = |name: &String| match name.split('"').nth(1) {
        Some(bare) => bare.to_owned(),
        None => name.clone(),
    };
    let listed: Vec<_> = presented.iter().take(MOST).map(bare).collect();
    match listed.len() {
        0 => "no name at all".to_owned(),
        _ if presented.len() > MOST => format!("{} and others", listed.join(", ")),
        _ => listed.join(", "),
    }
}
