//! An HTTP server on loopback: what the fake Odoo and the scripted web server have in common.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(super) type Body = UnsyncBoxBody<Bytes, Closed>;

/// Closes the connection: hyper does so when a service or a body fails.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
pub(super) struct Closed;

/// Requests that no test expects. They are answered 500 and fail the test at its end.
#[derive(Clone, Default)]
pub(super) struct Unexpected(Arc<Mutex<Vec<String>>>);

impl Unexpected {
    /// Answers such a request.
    pub(super) fn answer(&self, request: &str) -> Response<Body> {
        let text = format!("{request} was not expected");
        lock(&self.0).push(text.clone());
        response(500).body(whole(text)).expect("a response")
    }
}

/// Runs until it is dropped, and then fails the test if it got a request that was not expected.
pub(super) struct HttpServer {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    unexpected: Unexpected,
    _task: JoinSet<()>,
}

impl HttpServer {
    /// Answers every request on `address` with `handler`.
    pub(super) async fn start<F>(
        address: &str,
        handler: impl Fn(Request<Incoming>, Unexpected) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response<Body>, Closed>> + Send,
    {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let connections = Arc::<AtomicUsize>::default();
        let unexpected = Unexpected::default();
        let mut task = JoinSet::new();
        task.spawn({
            let (connections, unexpected) = (Arc::clone(&connections), unexpected.clone());
            async move {
                let mut open = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::Relaxed);
                    let (handler, unexpected) = (handler.clone(), unexpected.clone());
                    let service = service_fn(move |request| handler(request, unexpected.clone()));
                    let connection = http1::Builder::new();
                    // An error here is a connection that was dropped on purpose.
                    open.spawn(async move {
                        let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            }
        });
        Self { address, connections, unexpected, _task: task }
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let unexpected = lock(&self.unexpected.0);
            assert!(unexpected.is_empty(), "{unexpected:?}");
        }
    }
}

/// No test thread panics while it holds one.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test thread panicked with it")
}

pub(super) fn response(status: u16) -> http::response::Builder {
    Response::builder().status(status)
}

pub(super) fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Half of the body, then the connection is closed.
pub(super) fn half(body: &str) -> Body {
    cut(body[..body.len() / 2].to_owned())
}

/// The body, then the connection is closed.
pub(super) fn cut(body: String) -> Body {
    let end = async {
        // The body has to be on its way before the connection is closed.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(Closed)
    };
    let frames = stream::iter([Ok(Frame::data(Bytes::from(body)))]).chain(stream::once(end));
    StreamBody::new(frames).boxed_unsync()
}

/// So many blocks, whose number is not said before.
pub(super) fn blocks(block: Bytes, number: usize) -> Body {
    let frames = (0..number).map(move |_| Ok(Frame::data(block.clone())));
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}
