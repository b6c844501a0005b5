//! A web server on loopback that answers as a test says, and remembers what it was asked and when.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};
use url::Url;

/// What a request gets.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status, one more header, body.
    Page(u16, Option<(&'static str, String)>, String),
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
    unexpected: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

pub(crate) struct Web {
    addr: SocketAddr,
    state: Arc<State>,
    _server: JoinSet<()>,
}

impl Web {
    /// Answers with `replies`, in order; one request more fails the test.
    pub(crate) async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |_| replies.lock().expect("not poisoned").pop_front()).await
    }

    /// Answers what `handler` says; where it says nothing, the test fails.
    pub(crate) async fn start(
        handler: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            handler: Box::new(handler),
            asked: Mutex::default(),
            unexpected: Mutex::default(),
            connections: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&state)));
        Self { addr, state, _server: server }
    }

    /// The base address of the API there.
    pub(crate) fn base(&self) -> Url {
        format!("http://{}/backoffice/api", self.addr).parse().expect("an address")
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *lock(&self.state.connections)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let unexpected = lock(&self.state.unexpected);
            assert!(unexpected.is_empty(), "{unexpected:?}");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test thread panicked with it")
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        *lock(&state.connections) += 1;
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&state)));
            // An error here is a connection that was dropped on purpose.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Closes the connection: hyper does so when a service or a body fails.
#[derive(Debug)]
struct Closed;
impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on purpose")
    }
}
impl std::error::Error for Closed {}

type Body = UnsyncBoxBody<Bytes, Closed>;

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Closed> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let asked = Asked { target, headers: request.headers().clone(), at: Instant::now() };
    lock(&state.asked).push(asked.clone());
    let reply = (state.handler)(&asked).unwrap_or_else(|| {
        let text = format!("{} {} was not expected", request.method(), asked.target);
        lock(&state.unexpected).push(text.clone());
        Reply::status(500, text)
    });
    Ok(match reply {
        Reply::Page(status, header, body) => {
            let mut response = Response::builder().status(status);
            if let Some((name, value)) = header {
                response = response.header(name, value);
            }
            response.body(whole(body.into_bytes())).expect("a response")
        }
        Reply::Drop => return Err(Closed),
        Reply::Half(promised) => {
            let body = r#"[{"pendaftaran_id":"1"},{"pendaftaran_id":"2"}]"#;
            let half = Bytes::from(body[..24].to_owned());
            let end = async {
                // The half has to be on its way before the connection goes.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Err(Closed)
            };
            let frames = futures::StreamExt::chain(
                futures::stream::iter([Ok(Frame::data(half))]),
                futures::stream::once(end),
            );
            let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
            if promised {
                response.headers_mut().insert("content-length", body.len().into());
            }
            response
        }
        Reply::Spaces(bytes, true) => Response::new(whole(vec![b' '; bytes])),
        Reply::Spaces(bytes, false) => {
            let block = Bytes::from_static(&[b' '; 65_536]);
            let frames =
                (0..bytes.div_ceil(block.len())).map(move |_| Ok(Frame::data(block.clone())));
            Response::new(StreamBody::new(futures::stream::iter(frames)).boxed_unsync())
        }
        Reply::Late(pause, body) => {
            tokio::time::sleep(pause).await;
            Response::new(whole(body.into_bytes()))
        }
    })
}

fn whole(body: Vec<u8>) -> Body {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync()
}
