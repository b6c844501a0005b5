//! HTTP responses: good ones, those that a fault puts in their place, and those that break off.

use std::io;
use std::time::Duration;

use flate2::Compression;
use flate2::read::{GzEncoder, ZlibEncoder};
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};

use super::fault::{self, Fault};
use super::request::Call;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The error that closes a connection without a response, or in the middle of one.
pub(super) fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed without an answer")
}

/// What the web server in front responds instead of the application, if that is the fault.
pub(super) fn refusal(fault: Fault, call: &Call) -> Option<Response<Body>> {
    Some(match fault {
        Fault::Error429 => {
            let mut response = html(429, fault::page("Too Many Requests", "Try again later."));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        Fault::Error429Date => {
            let mut response = html(429, fault::page("Too Many Requests", "Try again later."));
            // Whole seconds: it is one at least.
            let then = chrono::Utc::now() + chrono::Duration::seconds(2);
            let date = then.format("%A, %d-%b-%y %H:%M:%S GMT").to_string();
            if let Ok(date) = HeaderValue::try_from(date) {
                response.headers_mut().insert(RETRY_AFTER, date);
            }
            response
        }
        Fault::Challenge403 => html(403, fault::CHALLENGE.into()),
        Fault::Error408 => response(408, "text/html", whole(Vec::new())),
        Fault::Error502 => html(502, fault::page("Bad Gateway", "No valid response was received.")),
        Fault::Redirect => {
            let mut response = html(302, fault::page("Found", "The document has moved."));
            let target = format!("http://sicantik.invalid/portal/{}", call.endpoint);
            if let Ok(target) = HeaderValue::try_from(target) {
                response.headers_mut().insert(LOCATION, target);
            }
            response
        }
        _ => return None,
    })
}

/// What the application responds instead of what it was asked, if that is the fault.
pub(super) fn replacement(fault: Fault) -> Option<Response<Body>> {
    let maintenance =
        || fault::page("Sedang dalam pemeliharaan", "Mohon maaf, silakan kembali lagi nanti.");
    let database = || {
        fault::page("A Database Error Occurred", "Error Number: 2006 MySQL server has gone away")
    };
    Some(match fault {
        Fault::Error500 => html(500, fault::page("Internal Server Error", "The server failed.")),
        Fault::Error503 => html(503, fault::page("Service Unavailable", "Too busy.")),
        Fault::Maintenance503 => {
            let mut response = html(503, maintenance());
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            response
        }
        Fault::Maintenance200 => html(200, maintenance()),
        Fault::Database500 => html(500, database()),
        Fault::Database200 => html(200, database()),
        Fault::Empty => response(200, "text/html; charset=UTF-8", whole(Vec::new())),
        Fault::Words401 => {
            let words = br#"{"status":false,"error":"Invalid API key "}"#;
            response(401, "application/json", whole(words.to_vec()))
        }
        Fault::Oversized => oversized(),
        _ => return None,
    })
}

/// A response with its status and content type.
pub(super) fn response(status: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A page for people.
pub(super) fn html(status: u16, page: Vec<u8>) -> Response<Body> {
    response(status, "text/html; charset=UTF-8", whole(page))
}

/// A body that is sent as it is.
pub(super) fn whole(body: Vec<u8>) -> Body {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync()
}

/// Promises the whole body and breaks off after half of it.
pub(super) fn truncated(
    status: u16,
    content_type: &'static str,
    mut body: Vec<u8>,
) -> Response<Body> {
    let promised = body.len();
    body.truncate(promised / 2);
    cut(status, content_type, body, promised.max(1))
}

/// Promises more than there is.
pub(super) fn short(status: u16, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let promised = body.len() + 3;
    cut(status, content_type, body, promised)
}

/// Promises so many bytes, and closes the connection after `body`.
fn cut(status: u16, content_type: &'static str, body: Vec<u8>, promised: usize) -> Response<Body> {
    let end = async {
        // The body has to be on its way before the connection is closed.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(broken())
    };
    let frames = stream::iter([Ok(Frame::data(Bytes::from(body)))]).chain(stream::once(end));
    let mut response = response(status, content_type, StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(promised));
    response
}

/// A body of more than 8 MiB whose length is not announced.
fn oversized() -> Response<Body> {
    let block = Bytes::from_static(&[b' '; 65_536]);
    let frames = stream::iter((0..144).map(move |_| Ok(Frame::data(block.clone()))));
    response(200, "application/json", StreamBody::new(frames).boxed_unsync())
}

/// The body in the form of gzip.
pub(super) fn gzip(body: &[u8]) -> Vec<u8> {
    compressed(GzEncoder::new(body, Compression::fast()))
}

/// The body in the form that HTTP calls deflate.
pub(super) fn deflate(body: &[u8]) -> Vec<u8> {
    compressed(ZlibEncoder::new(body, Compression::fast()))
}

fn compressed(mut encoder: impl io::Read) -> Vec<u8> {
    let mut compressed = Vec::new();
    // Reading from memory cannot fail.
    let _ = encoder.read_to_end(&mut compressed);
    compressed
}
