//! One private `send` for all requests to SICANTIK, behind the gate, with its retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::body::Body;
use super::decode::Format;
use super::error::{Error, Unreadable};
use super::retry;
use crate::outbound::headers::{redirect_target, retry_after};
use crate::outbound::http::{HttpError, Options, Response, client, exchange_partly};
use crate::outbound::tls::Authorities;
use crate::outbound::{Departure, Gate, RequestOutcome, Slot, is_loopback};

/// How many redirects within the host are followed.
const MAX_REDIRECTS: usize = 3;

/// Idle connections are dropped before Apache's default of 5 s ends them under a request.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// The connection to one deployment. Clones share the connections and the gate.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    pub(super) gate: Arc<Gate>,
    timeout: Duration,
    pub(super) stop: CancellationToken,
    pub(super) has_priority: bool,
    /// Whether JSON has shown identities as numbers, so that XML is asked for at once.
    has_unquoted_json: Arc<AtomicBool>,
}

/// An answer that could be read.
pub(super) struct Fetched<T> {
    pub(super) value: T,
    /// From sending the request to having received the answer.
    pub(super) elapsed: Duration,
    /// The form that was asked for at last.
    pub(super) accepted: Format,
}

/// The form that an answer is asked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accept {
    /// JSON, and XML where JSON has lost something.
    JsonFirst,
    /// JSON, or nothing.
    JsonOnly,
    /// XML.
    Xml,
}

/// What one request brought.
enum Received<T> {
    Redirect(Url),
    Value(T),
}

impl Transport {
    /// Requests to the host of `base`, each of which may take `timeout`, until `stop` is cancelled.
    pub(super) fn new(
        base: &Url,
        gate: Arc<Gate>,
        timeout: Duration,
        stop: CancellationToken,
        authorities: &Authorities,
    ) -> Result<Self, Error> {
        let http = client(Options {
            timeout,
            connect_timeout: None,
            pool_idle_timeout: Some(POOL_IDLE),
            // A proxy would resolve `localhost` to itself: bypass it for loopback.
            uses_proxy: !is_loopback(base),
            headers: HeaderMap::new(),
            authorities: authorities.clone(),
        });
        let http = http.map_err(|failure| error(failure, timeout))?;
        let has_unquoted_json = Arc::default();
        Ok(Self { http, gate, timeout, stop, has_priority: false, has_unquoted_json })
    }

    /// Asks for `url` in the form `accept`, until there is an answer that `read` understands or no
    /// further try is due, after `max_tries` at the latest.
    pub(super) async fn get<T>(
        &self,
        url: &Url,
        read: fn(&[u8]) -> Result<T, Unreadable>,
        accept: Accept,
        max_tries: u32,
    ) -> Result<Fetched<T>, Error> {
        let mut form = match accept {
            Accept::JsonFirst if self.has_unquoted_json.load(Ordering::Relaxed) => Format::Xml,
            Accept::JsonFirst | Accept::JsonOnly => Format::Json,
            Accept::Xml => Format::Xml,
        };
        let mut tries = 0;
        loop {
            let mut result = self.send(url, read, form, tries > 0).await;
            if let (Format::Json, Err(Error::Unreadable(lost))) = (form, &result)
                && matches!(lost, Unreadable::Empty | Unreadable::UnquotedIdentity { .. })
            {
                if accept == Accept::JsonOnly {
                    return Err(lost.clone().into());
                }
                let is_unquoted = *lost != Unreadable::Empty;
                // XML may still have what PHP's JSON has lost: all of it, for a value that is not
                // UTF-8.
                form = Format::Xml;
                result = self.send(url, read, form, true).await;
                if is_unquoted && result.is_ok() {
                    self.has_unquoted_json.store(true, Ordering::Relaxed);
                }
            }
            let error = match result {
                Ok((value, elapsed)) => return Ok(Fetched { value, elapsed, accepted: form }),
                Err(error) => error,
            };
            tries += 1;
            let pause = retry::pause(&error, tries, rand::random()).filter(|_| tries < max_tries);
            let Some(pause) = pause else { return Err(error) };
            tracing::debug!(%error, tries, pause_ms = pause.as_millis(), "Asking SICANTIK again");
            tokio::select! {
                () = self.stop.cancelled() => return Err(Error::Stopped),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends one request through the gate, and those to which it is redirected on the same host.
    async fn send<T>(
        &self,
        url: &Url,
        read: fn(&[u8]) -> Result<T, Unreadable>,
        accept: Format,
        is_retry: bool,
    ) -> Result<(T, Duration), Error> {
        let mut url = url.clone();
        let mut redirects = 0;
        loop {
            let slot = self.enter(is_retry).await?;
            let started = Instant::now();
            if is_retry {
                metrics::counter!("sicantik_retries_total").increment(1);
            }
            let request = self.http.get(url.clone()).header(ACCEPT, media_type(accept));
            let exchange = exchange_partly(request, Body::LIMIT);
            let received = match Departure::new(&self.gate, &slot).watch(exchange).await {
                Ok((response, cut_by)) => {
                    let cut_by = cut_by.map(|failure| error(failure, self.timeout));
                    receive(&url, response, cut_by, redirects < MAX_REDIRECTS)
                }
                Err(failure) => Err(error(failure, self.timeout)),
            };
            let elapsed = started.elapsed();
            count(&received, elapsed);
            let received = received.and_then(|received| match received {
                Received::Redirect(target) => Ok(Received::Redirect(target)),
                Received::Value(body) => body.read(read).map(Received::Value),
            });
            slot.settle(outcome(&received));
            match received? {
                Received::Value(value) => return Ok((value, elapsed)),
                Received::Redirect(target) => {
                    url = target;
                    redirects += 1;
                }
            }
        }
    }

    async fn enter(&self, is_retry: bool) -> Result<Slot<'_>, Error> {
        let entering = async {
            if self.has_priority {
                self.gate.enter_priority(is_retry).await
            } else {
                self.gate.enter(is_retry).await
            }
        };
        tokio::select! {
            // After a stop nothing leaves, even if the gate is open.
            biased;
            () = self.stop.cancelled() => Err(Error::Stopped),
            slot = entering => Ok(slot),
        }
    }
}

fn media_type(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Xml => "application/xml",
    }
}

/// What an answer to a request for `url` is, by its status.
fn receive(
    url: &Url,
    response: Response,
    cut_by: Option<Error>,
    may_redirect: bool,
) -> Result<Received<Body>, Error> {
    let Response { status, headers, body: bytes } = response;
    let body = Body::new(status, bytes, cut_by);
    match status {
        status if status.is_redirection() => {
            let target = redirect_target(url, &headers)
                .filter(|_| may_redirect)
                .ok_or(Error::Refused { status, said: None })?;
            if target.host_str() == url.host_str() {
                Ok(Received::Redirect(target))
            } else {
                let host = target.host_str().unwrap_or_default().to_owned();
                Err(Error::Redirected { host })
            }
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Err(Error::ServerBusy { status, retry_after: retry_after(&headers) })
        }
        status if status.is_server_error() => Err(match body.error_of_question() {
            Some(error) => Unreadable::QueryFailed { error }.into(),
            None => Error::ServerBusy { status, retry_after: retry_after(&headers) },
        }),
        // "Not found" and "past the end" come as 404, with the server's words in the body.
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(Received::Value(body)),
        status if status.is_success() => Ok(Received::Value(body)),
        status => Err(Error::Refused { status, said: body.said() }),
    }
}

/// The error that a failed exchange is to callers.
fn error(failure: HttpError, timeout: Duration) -> Error {
    match failure {
        HttpError::TimedOut => Error::Timeout { after: timeout },
        HttpError::Connect { reason } | HttpError::Broken { reason } => {
            Error::Connection { reason }
        }
        HttpError::Tls(problem) => Error::Tls(problem),
        HttpError::TooLarge { limit } => Unreadable::TooLarge { limit }.into(),
    }
}

/// What the gate has to know of a request.
fn outcome<T>(received: &Result<Received<T>, Error>) -> RequestOutcome {
    match received {
        Ok(Received::Value(_)) => RequestOutcome::Answered,
        Ok(Received::Redirect(_)) => RequestOutcome::Redirected,
        Err(Error::Timeout { .. }) => RequestOutcome::TimedOut,
        Err(Error::Connection { .. } | Error::Tls(_)) => RequestOutcome::Disconnected,
        Err(Error::ServerBusy { retry_after, .. }) => {
            RequestOutcome::Busy { retry_after: *retry_after }
        }
        Err(_) => RequestOutcome::Unusable,
    }
}

/// Counts a request for the metrics.
fn count(received: &Result<Received<Body>, Error>, elapsed: Duration) {
    let outcome = match received {
        Ok(Received::Redirect(_)) => "redirected",
        Ok(Received::Value(body)) => body.cut_by().map_or("answered", Error::label),
        Err(error) => error.label(),
    };
    metrics::counter!("sicantik_requests_total", "outcome" => outcome).increment(1);
    metrics::histogram!("sicantik_request_duration_seconds").record(elapsed);
}
