//! How the fake Odoo's answers look on the wire, over both protocols.

use http::Response;
use serde_json::{Value, json};

use super::http::{Body, Closed, half, response, whole};

/// What the next call is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A result.
    Value(Value),
    /// An exception: its status over `/json/2`, its name and what it says.
    Fault(u16, &'static str, &'static str),
    /// Something that is no response of an API: status, content type, body.
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
            response(200)
                .header("content-type", JSON)
                .header("content-length", text.len())
                .body(half(&text))
                .expect("a response")
        }
        Answer::Drop | Answer::Silence => return Err(Closed),
    })
}

const JSON: &str = "application/json; charset=utf-8";

fn page(status: u16, content_type: &str, body: String) -> Response<Body> {
    let mut response = response(status).header("content-type", content_type);
    if (300..400).contains(&status) {
        response = response.header("location", "/elsewhere");
    }
    response.body(whole(body)).expect("a response")
}
