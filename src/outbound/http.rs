//! HTTP as every outside service is spoken to: one way to build a client, to read a bounded answer,
//! and to say why there is none.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::departure::Watched;
use super::tls::{self, Authorities, Problem};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a request may take in all.
    pub timeout: Duration,
    /// How long of this the connection may take; `None` for all of it.
    pub connect_timeout: Option<Duration>,
    /// How long an idle connection is kept; `None` for the library's default.
    pub pool_idle_timeout: Option<Duration>,
    /// Whether the proxy that the environment names is used.
    pub uses_proxy: bool,
    /// Headers of every request.
    pub headers: HeaderMap,
    /// Who is trusted besides the authorities of this machine.
    pub authorities: Authorities,
}

/// A complete answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no complete answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection was made, so nothing was sent.
    #[error("no connection: {reason}")]
    Connect {
        /// The innermost cause.
        reason: String,
    },
    /// No secure connection was made, so nothing was sent.
    #[error("no secure connection: {0}")]
    Tls(Problem),
    /// The answer was not complete within the time-out.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke before the answer was complete.
    #[error("the connection broke: {reason}")]
    Broken {
        /// The innermost cause.
        reason: String,
    },
    /// The answer is larger than what the caller is willing to hold.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// An HTTP client with `options`.
///
/// It follows no redirects and sends nothing again by itself: each request has to pass the gate,
/// and a credential is not for whoever a redirect leads to.
///
/// # Errors
///
/// [`HttpError::Connect`], if TLS cannot be set up on this machine.
pub fn client(options: Options) -> Result<reqwest::Client, HttpError> {
    let config = tls::client_config(&options.authorities)
        .map_err(|error| HttpError::Connect { reason: error.to_string() })?;
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("sicantik-sidecar/", env!("CARGO_PKG_VERSION")))
        .timeout(options.timeout)
        .default_headers(options.headers)
        .tls_backend_preconfigured(config)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connector_layer(tower::layer::layer_fn(Watched));
    if let Some(timeout) = options.connect_timeout {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(timeout) = options.pool_idle_timeout {
        builder = builder.pool_idle_timeout(timeout);
    }
    if !options.uses_proxy {
        builder = builder.no_proxy();
    }
    builder.build().map_err(failure)
}

/// Sends `request` and reads the answer to its end, up to `limit` bytes of body.
///
/// # Errors
///
/// [`HttpError`].
pub async fn exchange(
    request: reqwest::RequestBuilder,
    limit: usize,
) -> Result<Response, HttpError> {
    let (response, cut_by) = exchange_partly(request, limit).await?;
    cut_by.map_or(Ok(response), Err)
}

/// As [`exchange`], but keeps what has come of a body that does not come to its end, and says why
/// it did not: a server may promise more than it has.
///
/// # Errors
///
/// [`HttpError`], if there is no answer at all or it is too large.
pub async fn exchange_partly(
    request: reqwest::RequestBuilder,
    limit: usize,
) -> Result<(Response, Option<HttpError>), HttpError> {
    let mut response = request.send().await.map_err(failure)?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    let cut_by = loop {
        match response.chunk().await {
            Ok(None) => break None,
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                return Err(HttpError::TooLarge { limit });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => break Some(failure(error)),
        }
    };
    Ok((Response { status, headers, body }, cut_by))
}

fn failure(error: reqwest::Error) -> HttpError {
    // A time-out of the connection is both; what counts is that nothing was sent.
    if let Some(problem) = Problem::find(&error) {
        HttpError::Tls(problem)
    } else if error.is_connect() || error.is_builder() {
        HttpError::Connect { reason: innermost_cause(error) }
    } else if error.is_timeout() {
        HttpError::TimedOut
    } else {
        HttpError::Broken { reason: innermost_cause(error) }
    }
}

/// The innermost cause says what happened. The outer ones only name the library that noticed, and
/// repeat the address, which may hold a permit's number.
fn innermost_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    // "Connection refused (os error 111)": the number helps nobody.
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
