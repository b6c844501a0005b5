//! The socket: who is let in, `GET /health` and `GET /metrics`, and JSON-RPC over HTTP POST and WebSocket.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::middleware::http::HostFilterLayer;
use jsonrpsee::server::{
    BatchRequestConfig, HttpBody, HttpRequest, HttpResponse, Server, ServerConfig, ServerHandle,
    StopHandle, stop_channel,
};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer, ServiceExt};

use super::api::SidecarServer;
use super::connections::{Connection, Connections};
use super::rpc::{self, Rpc};
use super::state::Shared;

/// The largest request, bytes; the API's own are a few hundred.
const MAX_REQUEST: u32 = 64 * 1024;

/// A request's head has to arrive within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// A request has to be complete, and answered, within this time: `sicantik.test` may wait for a slow SICANTIK.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How long answers on their way have to get out once the service is to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Answers on `listener` until `stop` is cancelled.
pub(super) async fn answer(shared: Arc<Shared>, listener: TcpListener, stop: CancellationToken) {
    let (stop_handle, server_handle) = stop_channel();
    let site = match listener
        .local_addr()
        .map_err(BoxError::from)
        .and_then(|address| Ok(Arc::new(Site::new(shared, address, stop_handle)?)))
    {
        Ok(site) => site,
        Err(error) => return tracing::error!(%error, "the service cannot answer"),
    };
    let connections = Connections::default();
    let conversations = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Who comes while all connections are busy finds the door shut.
                if let Some(connection) = connections.enter() {
                    let site = Arc::clone(&site);
                    conversations.spawn(converse(stream, site, connection, stop.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // Ends the WebSockets, whose conversations no longer hang on their connection.
    let _ = ServerHandle::stop(&server_handle);
    conversations.close();
    let _ = tokio::time::timeout(GRACE, conversations.wait()).await;
}

/// One connection, for as many requests as the caller sends over it.
async fn converse(
    stream: TcpStream,
    site: Arc<Site>,
    connection: Arc<Connection>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let entry = Arc::clone(&connection);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (site, entry) = (Arc::clone(&site), Arc::clone(&entry));
        async move {
            let response = site.respond(request.map(HttpBody::new), &entry).await;
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_headers(64);
    let mut conversation =
        std::pin::pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    // A caller who hangs up or talks nonsense is no event.
    tokio::select! {
        _ = &mut conversation => {}
        () = connection.close.cancelled() => {}
        () = stop.cancelled() => {
            conversation.as_mut().graceful_shutdown();
            let _ = conversation.await;
        }
    }
}

/// What there is to ask for.
struct Site {
    shared: Arc<Shared>,
    hosts: HostFilterLayer,
    builder: jsonrpsee::server::TowerServiceBuilder<
        tower::layer::util::Identity,
        tower::layer::util::Identity,
    >,
    methods: jsonrpsee::RpcModule<Rpc>,
    stop_handle: StopHandle,
}

impl Site {
    fn new(
        shared: Arc<Shared>,
        address: SocketAddr,
        stop_handle: StopHandle,
    ) -> Result<Self, BoxError> {
        // A page in somebody's browser whose name resolves to this machine sends its own name.
        let port = address.port();
        let hosts = [
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
            format!("[::1]:{port}"),
            address.to_string(),
        ];
        let config = ServerConfig::builder()
            .max_request_body_size(MAX_REQUEST)
            .max_response_body_size(4 * 1024 * 1024)
            .max_subscriptions_per_connection(4)
            .set_batch_request_config(BatchRequestConfig::Limit(16))
            .build();
        Ok(Self {
            hosts: HostFilterLayer::new(hosts)?,
            builder: Server::builder().set_config(config).to_service_builder(),
            methods: Rpc(Arc::clone(&shared)).into_rpc(),
            stop_handle,
            shared,
        })
    }

    async fn respond(
        self: Arc<Self>,
        request: HttpRequest,
        connection: &Connection,
    ) -> HttpResponse {
        connection.set_busy(true);
        let is_upgrade = request.headers().contains_key(http::header::UPGRADE);
        let hosts = self.hosts.clone();
        let inner = tower::service_fn(move |request| Arc::clone(&self).route(request));
        let answering = hosts.layer(inner).oneshot(request);
        let response = match tokio::time::timeout(REQUEST_TIMEOUT, answering).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a request could not be answered");
                plain(StatusCode::BAD_REQUEST, "bad request")
            }
            Err(_) => plain(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
        };
        // A WebSocket goes on after its first answer; it belongs to someone who has shown the token.
        let stays = is_upgrade && response.status() == StatusCode::SWITCHING_PROTOCOLS;
        connection.set_busy(stays);
        response
    }

    async fn route(self: Arc<Self>, request: HttpRequest) -> Result<HttpResponse, BoxError> {
        let path = request.uri().path();
        if (request.method(), path) == (&Method::GET, "/health") {
            let known = self.is_authorized(&request);
            return Ok(json(&rpc::health(&self.shared, known)));
        }
        if !self.is_authorized(&request) {
            let mut response = plain(StatusCode::UNAUTHORIZED, "a bearer token is needed");
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
            return Ok(response);
        }
        match (request.method(), path) {
            (&Method::GET, "/metrics") => {
                let in_flight = self.shared.gates.in_flight();
                metrics::gauge!("sicantik_requests_in_flight").set(in_flight as f64);
                Ok(plain(StatusCode::OK, self.shared.metrics.render()))
            }
            (_, "/") => {
                let service = self.builder.clone();
                service.build(self.methods.clone(), self.stop_handle.clone()).oneshot(request).await
            }
            _ => Ok(plain(StatusCode::NOT_FOUND, "there is /, /health and /metrics")),
        }
    }

    /// Whether the caller shows the token. How long the comparison takes tells nothing of how much of it is right.
    fn is_authorized(&self, request: &HttpRequest) -> bool {
        let shown =
            request.headers().get(AUTHORIZATION).map_or(&[][..], http::HeaderValue::as_bytes);
        let token = self.shared.token.expose_secret().as_bytes();
        match shown.split_at_checked("bearer ".len()) {
            Some((scheme, shown)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
                bool::from(shown.ct_eq(token))
            }
            _ => false,
        }
    }
}

fn plain(status: StatusCode, text: impl Into<String>) -> HttpResponse {
    typed(status, "text/plain; charset=utf-8", text.into())
}

fn json(value: &impl serde::Serialize) -> HttpResponse {
    let text = serde_json::to_string(value).expect("these have only plain keys");
    typed(StatusCode::OK, "application/json", text)
}

fn typed(status: StatusCode, content_type: &'static str, text: String) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
