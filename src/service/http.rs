//! Authentication, `GET /health` and `GET /metrics`, and JSON-RPC over HTTP POST and WebSocket.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use jsonrpsee::core::BoxError;
use jsonrpsee::server::middleware::http::HostFilterLayer;
use jsonrpsee::server::{
    BatchRequestConfig, HttpBody, HttpRequest, HttpResponse, Server, ServerConfig, ServerHandle,
    StopHandle, stop_channel,
};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{Layer, ServiceExt};

use super::api::SidecarServer;
use super::rpc::{self, Rpc};
use super::state::Shared;
use crate::http_server::{self, ServerLimits};

/// The largest request, bytes; the API's own are a few hundred.
const MAX_REQUEST: u32 = 64 * 1024;

/// The service has a handful of callers, all on its own machine.
const LIMITS: ServerLimits =
    ServerLimits { connections: 128, head_timeout: Duration::from_secs(5), headers: 64 };

/// A request has to be complete, and answered, within this time: `sicantik.test` may wait for a
/// slow SICANTIK.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Answers on `listener`, whose address is `address`, until `stop` is cancelled.
pub(super) async fn answer(
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
    stop: CancellationToken,
) {
    let (stop_handle, server_handle) = stop_channel();
    let site = match Site::new(shared, address, stop_handle) {
        Ok(site) => Arc::new(site),
        Err(error) => return tracing::error!(%error, "the service cannot answer"),
    };
    let handler = move |request: http::Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.respond(request.map(HttpBody::new)).await) }
    };
    let websockets = async {
        stop.cancelled().await;
        // Their conversations no longer depend on their connections.
        let _ = ServerHandle::stop(&server_handle);
    };
    let server = http_server::Server { limits: LIMITS, handler, stop: stop.clone() };
    tokio::join!(server.serve(listener), websockets);
}

/// What the service answers.
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
        // DNS rebinding: a web page whose name resolves to this machine sends its own name.
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

    async fn respond(self: Arc<Self>, request: HttpRequest) -> HttpResponse {
        let hosts = self.hosts.clone();
        let inner = tower::service_fn(move |request| Arc::clone(&self).route(request));
        let answering = hosts.layer(inner).oneshot(request);
        match tokio::time::timeout(REQUEST_TIMEOUT, answering).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a request could not be answered");
                plain(StatusCode::BAD_REQUEST, "bad request")
            }
            Err(_) => plain(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
        }
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

    /// Whether the caller presents the token, compared in constant time.
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
