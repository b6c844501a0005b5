//! How the fake Odoo's answers look on the wire, over both protocols.

use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};

/// What the next call gets.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A result.
    Value(Value),
    /// An exception: its status over `/json/2`, its name and what it says.
    Fault(u16, &'static str, &'static str),
    /// Something that is no answer of an API: status, content type, body.
    Raw(u16, &'static str, &'static str),
    /// A JSON-RPC envelope without `result` and `error`, and `null` over `/json/2`.
    Nothing,
    /// The connection is closed; what was asked has been read.
    Drop,
    /// Half of the answer, then the connection is closed.
    Half,
    /// No answer, for longer than any test waits.
    Silence,
}

pub(super) type Body = UnsyncBoxBody<Bytes, Closed>;

/// Closes the connection: hyper does so when a service or a body fails.
#[derive(Debug)]
pub(super) struct Closed;
impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on purpose")
    }
}
impl std::error::Error for Closed {}

/// An answer as the protocol has it: `/jsonrpc` says 200 to all and wraps it.
pub(super) fn respond(
    rpc: bool,
    question: &Value,
    answer: Answer,
) -> Result<Response<Body>, Closed> {
    let envelope = |name: &str, value: Value| {
        json!({ "jsonrpc": "2.0", "id": question["id"], name: value }).to_string()
    };
    let bare = |value: Value| {
        if rpc { envelope("result", value) } else { value.to_string() }
    };
    Ok(match answer {
        Answer::Value(value) => page(200, JSON, bare(value)),
        Answer::Fault(status, name, message) => {
            let data = json!({
                "name": name, "message": message, "arguments": [message], "context": {},
                "debug": "Traceback (most recent call last): …",
            });
            if rpc {
                let error = json!({ "code": 0, "message": "Odoo Server Error", "data": data });
                page(200, JSON, envelope("error", error))
            } else {
                page(status, JSON, data.to_string())
            }
        }
        Answer::Raw(status, content_type, body) => page(status, content_type, body.to_owned()),
        Answer::Nothing if rpc => {
            page(200, JSON, json!({ "jsonrpc": "2.0", "id": question["id"] }).to_string())
        }
        Answer::Nothing => page(200, JSON, "null".to_owned()),
        Answer::Half => {
            let text = bare(json!(["as long as this is, it ends in the middle"]));
            let half = Bytes::from(text[..text.len() / 2].to_owned());
            let frames = futures::stream::iter([Ok(Frame::data(half)), Err(Closed)]);
            Response::builder()
                .header("content-type", JSON)
                .header("content-length", text.len())
                .body(StreamBody::new(frames).boxed_unsync())
                .expect("a response")
        }
        Answer::Drop | Answer::Silence => return Err(Closed),
    })
}

const JSON: &str = "application/json; charset=utf-8";

pub(super) fn page(status: u16, content_type: &str, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::builder().status(status).header("content-type", content_type);
    if (300..400).contains(&status) {
        response = response.header("location", "/elsewhere");
    }
    response.body(body).expect("a response")
}
