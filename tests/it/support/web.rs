//! A scripted web server on loopback that records its requests, with their times.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Request, Response};
use hyper::body::{Bytes, Incoming};
use tokio::time::{Duration, Instant};
use url::Url;

use super::http::{Body, Closed, HttpServer, Unexpected, blocks, cut, half, lock, response, whole};

/// What a request gets.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status, one more header, body.
    Page(u16, Option<(&'static str, String)>, String),
    /// Status, and a body that need not be text.
    Bytes(u16, Vec<u8>),
    /// A body that is shorter than its promised length by so many bytes.
    Short(usize, String),
    /// The connection is closed without an answer.
    Drop,
    /// The answer breaks off in the middle; `true` where its length was promised.
    Half(bool),
    /// So many bytes of white space; `true` where their number is said before.
    Spaces(usize, bool),
    /// The answer, after so long.
    Late(Duration, String),
}

impl Reply {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Page(200, None, body.into())
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Page(status, None, body.into())
    }

    pub(crate) fn with(status: u16, name: &'static str, value: impl Into<String>) -> Self {
        Self::Page(status, Some((name, value.into())), String::new())
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query, as they were sent.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) at: Instant,
}

type Handler = Box<dyn Fn(&Asked) -> Option<Reply> + Send + Sync>;

struct State {
    handler: Handler,
    asked: Mutex<Vec<Asked>>,
}

pub(crate) struct Web {
    server: HttpServer,
    state: Arc<State>,
}

impl Web {
    /// Answers with `replies`, in order; one request more fails the test.
    pub(crate) async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |_| lock(&replies).pop_front()).await
    }

    /// Answers what `handler` says; where it says nothing, the test fails.
    pub(crate) async fn start(
        handler: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(State { handler: Box::new(handler), asked: Mutex::default() });
        let answering = Arc::clone(&state);
        let server = HttpServer::start("127.0.0.1:0", move |request, unexpected| {
            answer(request, Arc::clone(&answering), unexpected)
        });
        Self { server: server.await, state }
    }

    /// The base address of the API there.
    pub(crate) fn base(&self) -> Url {
        format!("http://{}/backoffice/api", self.server.address).parse().expect("an address")
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.server.connections()
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
    unexpected: Unexpected,
) -> Result<Response<Body>, Closed> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let asked = Asked { target, headers: request.headers().clone(), at: Instant::now() };
    lock(&state.asked).push(asked.clone());
    let Some(reply) = (state.handler)(&asked) else {
        return Ok(unexpected.answer(&format!("{} {}", request.method(), asked.target)));
    };
    Ok(match reply {
        Reply::Page(status, header, body) => {
            let mut response = response(status);
            if let Some((name, value)) = header {
                response = response.header(name, value);
            }
            response.body(whole(body)).expect("a response")
        }
        Reply::Bytes(status, body) => response(status).body(whole(body)).expect("a response"),
        Reply::Short(missing, body) => {
            let promised = body.len() + missing;
            let mut response = Response::new(cut(body));
            response.headers_mut().insert("content-length", promised.into());
            response
        }
        Reply::Drop => return Err(Closed),
        Reply::Half(promised) => {
            let body = r#"[{"pendaftaran_id":"1"},{"pendaftaran_id":"2"}]"#;
            let mut response = Response::new(half(body));
            if promised {
                response.headers_mut().insert("content-length", body.len().into());
            }
            response
        }
        Reply::Spaces(bytes, true) => Response::new(whole(vec![b' '; bytes])),
        Reply::Spaces(bytes, false) => {
            let block = Bytes::from_static(&[b' '; 65_536]);
            let number = bytes.div_ceil(block.len());
            Response::new(blocks(block, number))
        }
        Reply::Late(pause, body) => {
            tokio::time::sleep(pause).await;
            Response::new(whole(body))
        }
    })
}
