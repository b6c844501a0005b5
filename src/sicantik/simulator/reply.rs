//! HTTP responses: good ones, those that replace an answer in trouble, and those that break off.

use std::io;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};

use super::fault::{self, Kind};
use super::request::Call;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The error that closes a connection without an answer, or in the middle of one.
pub(super) fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed without an answer")
}

/// What the web server in front answers instead of the application, if that is the trouble.
pub(super) fn refusal(fault: Kind, call: &Call) -> Option<Response<Body>> {
    Some(match fault {
        Kind::Error429 => {
            let mut response = html(429, fault::page("Too Many Requests", "Try again later."));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        Kind::Error408 => response(408, "text/html", whole(Vec::new())),
        Kind::Error502 => html(502, fault::page("Bad Gateway", "No valid response was received.")),
        Kind::Redirect => {
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

/// What the application answers instead of what it was asked, if that is the trouble.
pub(super) fn replacement(fault: Kind) -> Option<Response<Body>> {
    let maintenance =
        || fault::page("Sedang dalam pemeliharaan", "Mohon maaf, silakan kembali lagi nanti.");
    let database = || {
        fault::page("A Database Error Occurred", "Error Number: 2006 MySQL server has gone away")
    };
    Some(match fault {
        Kind::Error500 => html(500, fault::page("Internal Server Error", "The server failed.")),
        Kind::Error503 => html(503, fault::page("Service Unavailable", "Too busy.")),
        Kind::Maintenance503 => {
            let mut response = html(503, maintenance());
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            response
        }
        Kind::Maintenance200 => html(200, maintenance()),
        Kind::Database500 => html(500, database()),
        Kind::Database200 => html(200, database()),
        Kind::Empty => response(200, "text/html; charset=UTF-8", whole(Vec::new())),
        Kind::Oversized => oversized(),
        _ => return None,
    })
}

/// A response with its status and label.
pub(super) fn response(status: u16, label: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(label));
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
pub(super) fn truncated(status: u16, label: &'static str, body: Vec<u8>) -> Response<Body> {
    let promised = body.len();
    let mut half = body;
    half.truncate(promised / 2);
    let end = async {
        // The half has to be on its way before the connection goes.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(broken())
    };
    let frames = stream::iter([Ok(Frame::data(Bytes::from(half)))]).chain(stream::once(end));
    let mut response = response(status, label, StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(promised.max(1)));
    response
}

/// A body that goes on past 8 MiB, without saying so before.
fn oversized() -> Response<Body> {
    let block = Bytes::from_static(&[b' '; 65_536]);
    let frames = stream::iter((0..144).map(move |_| Ok(Frame::data(block.clone()))));
    response(200, "application/json", StreamBody::new(frames).boxed_unsync())
}
