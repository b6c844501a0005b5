//! The body of an answer, read as far as it can be.

use std::borrow::Cow;

use http::StatusCode;

use super::decode;
use super::error::{Error, Said, Unreadable};

/// What came of a body, and how.
pub(super) struct Body {
    status: StatusCode,
    bytes: Vec<u8>,
    cut_by: Option<Error>,
}

impl Body {
    /// The largest body that is read, in bytes, compressed or not. The server's largest real ones
    /// are a few hundred kilobytes.
    pub(super) const LIMIT: usize = 8 * 1024 * 1024;

    /// What came with `status`; `cut_by` is why more was promised.
    pub(super) fn new(status: StatusCode, bytes: Vec<u8>, cut_by: Option<Error>) -> Self {
        Self { status, bytes, cut_by }
    }

    /// Why it is shorter than was promised, if it is.
    pub(super) fn cut_by(&self) -> Option<&Error> {
        self.cut_by.as_ref()
    }

    /// Reads it. With data in it, 404 and 400 are answers; with a page or nothing they are
    /// refusals.
    pub(super) fn read<T>(self, read: fn(&[u8]) -> Result<T, Unreadable>) -> Result<T, Error> {
        let bytes = self.inflated();
        match self.cut_by {
            None => bytes.and_then(|bytes| read(&bytes)).map_err(|unreadable| {
                if self.status.is_success() {
                    unreadable.into()
                } else {
                    Error::Refused { status: self.status, said: self.said() }
                }
            }),
            // A server that counts wrongly has sent all there is. Of what begins with a printed
            // warning nobody knows: brackets in the warning could pass for an empty list.
            Some(ref cut_by) => bytes
                .ok()
                .filter(|bytes| decode::begins_with_data(bytes))
                .and_then(|bytes| read(&bytes).ok())
                .ok_or_else(|| cut_by.clone()),
        }
    }

    /// What it says to a person, if its status is no answer.
    pub(super) fn said(&self) -> Option<Said> {
        self.inflated().ok().and_then(|bytes| decode::said(&bytes)).map(Said::shortened)
    }

    /// The error of the server's database that the question causes, if it is the page of one.
    pub(super) fn error_of_question(&self) -> Option<String> {
        let bytes = self.inflated().ok()?;
        decode::error_of_question(&String::from_utf8_lossy(&bytes))
    }

    fn inflated(&self) -> Result<Cow<'_, [u8]>, Unreadable> {
        decode::inflated(&self.bytes, Self::LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::{Decoded, decode};
    use super::*;

    fn reset() -> Option<Error> {
        Some(Error::Connection { reason: "reset".into() })
    }

    fn read(status: u16, body: &[u8], cut_by: Option<Error>) -> Result<Decoded, Error> {
        Body::new(StatusCode::from_u16(status).unwrap(), body.to_vec(), cut_by).read(decode)
    }

    #[test]
    fn what_is_whole_is_read_although_more_was_promised() {
        for body in [
            r#"[{"pendaftaran_id":"0001"}]"#,
            "\u{feff} [{\"pendaftaran_id\":\"0001\"}]\n",
            "<?xml version=\"1.0\"?><xml><item><pendaftaran_id>0001</pendaftaran_id></item></xml>",
        ] {
            let reply = read(200, body.as_bytes(), reset());
            assert!(
                matches!(&reply, Ok(Decoded::Rows(rows)) if rows.len() == 1),
                "{body}: {reply:?}"
            );
            for half in (1..body.len() - 2).filter(|at| body.is_char_boundary(*at)) {
                let reply = read(200, &body.as_bytes()[..half], reset());
                assert_eq!(reply.err(), reset(), "{}", &body[..half]);
            }
        }
        let words = read(404, br#"{"error":"Tidak ada data.."}"#, reset());
        assert_eq!(words, Ok(Decoded::Error("Tidak ada data..".into())));
        for body in ["<br />\n<b>Notice</b>: undefined index []", "89", "", "<html>"] {
            assert_eq!(read(200, body.as_bytes(), reset()).err(), reset(), "{body}");
        }
    }

    #[test]
    fn without_data_a_status_is_what_it_says() {
        let said = |error| match error {
            Err(Error::Refused { said, .. }) => said,
            other => panic!("a refusal was expected, not {other:?}"),
        };
        assert_eq!(said(read(404, b"", None)), None);
        let page = b"<html><title>404 Not Found</title></html>";
        assert_eq!(said(read(404, page, None)), Some(Said::Page(Some("404 Not Found".into()))));
        assert_eq!(said(read(400, b"Bad request", None)), Some(Said::Words("Bad request".into())));
        assert_eq!(read(200, b"", None), Err(Unreadable::Empty.into()));
    }
}
