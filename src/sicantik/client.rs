//! The client of SICANTIK's API: one private `send` for all requests, behind the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::ACCEPT;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::decode::{Format, Reply, data, decode};
use super::error::{Error, Unreadable};
use super::headers::{redirect, retry_after};
use super::retry;
use super::row::Row;
use crate::outbound::{Gate, Slot, is_loopback, tls};

/// The largest body that is read, in bytes; the server's largest real ones are a few hundred kilobytes.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// Redirects within the host that are followed.
const MAX_REDIRECTS: usize = 3;

/// Connections that stay idle are dropped before Apache's default of 5 s ends them under a request.
const POOL_IDLE: Duration = Duration::from_secs(4);

const JSON: &str = "application/json";
const XML: &str = "application/xml";

/// The API of one deployment. Cheap to clone; clones share connections, the gate and what has been learnt.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    gate: Arc<Gate>,
    timeout: Duration,
    stop: CancellationToken,
    has_priority: bool,
    /// Whether `cekperizinanizin` answered that it is unknown: older deployments do not have it.
    lacks_izin: Arc<AtomicBool>,
    /// Whether a page of the listing could be had as XML only. The value that is not UTF-8 stands in most of its
    /// pages soon, so that asking for JSON first would double the requests.
    listing_in_xml: Arc<AtomicBool>,
}

/// What the server answered to "are you there".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pong {
    /// From sending the request to having read the answer.
    pub elapsed: Duration,
    /// The form of the answer, whatever was asked for.
    pub format: Format,
}

/// A complete answer whose status is worth reading.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    elapsed: Duration,
}

impl Client {
    /// A client of the API at `base` (as in `sicantik.connector.api_url`), which waits `timeout` for each
    /// answer and stops asking when `stop` is cancelled: requests that wait at the gate end with [`Error::Stopped`],
    /// those in flight are waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`], if TLS cannot be set up on this machine.
    pub fn new(
        base: &Url,
        gate: Arc<Gate>,
        timeout: Duration,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        tls::install();
        let builder = reqwest::Client::builder();
        // The environment's proxy is for the way out; this machine would be another one to it.
        let builder = if is_loopback(base) { builder.no_proxy() } else { builder };
        let http = builder
            .user_agent(concat!("sicantik-sidecar/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .pool_idle_timeout(POOL_IDLE)
            // Each request has to pass the gate: nothing below it may send one on its own account.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| connection(&error))?;
        let lacks_izin = Arc::new(AtomicBool::new(false));
        let listing_in_xml = Arc::new(AtomicBool::new(false));
        let (base, has_priority) = (base.clone(), false);
        Ok(Self { http, base, gate, timeout, stop, has_priority, lacks_izin, listing_in_xml })
    }

    /// The same client, whose requests leave before all that wait at the gate.
    #[must_use]
    pub fn with_priority(&self) -> Self {
        Self { has_priority: true, ..self.clone() }
    }

    /// What it stops on.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The gate that this client passes.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Asks `jumlahPerizinan`, the cheapest question, and whether the answer is data.
    ///
    /// # Errors
    ///
    /// [`Error`], after the gate's retries.
    pub async fn ping(&self) -> Result<Pong, Error> {
        let url = self.endpoint("jumlahPerizinan", &[]);
        let ((_, format), elapsed) = self.get(&url, data, JSON, retry::MAX_TRIES).await?.0;
        Ok(Pong { elapsed, format })
    }

    /// A page of `listpermohonanterbit`: at most `limit` issued permits from `offset` on, newest first;
    /// none past the end.
    ///
    /// # Errors
    ///
    /// [`Error`], after the gate's retries.
    pub async fn listing(&self, limit: u32, offset: u32) -> Result<Vec<Row>, Error> {
        self.listing_in(limit, offset, retry::MAX_TRIES).await
    }

    /// As [`Client::listing`], with `tries` instead of the usual number: a page that is known to be in trouble is not
    /// pressed for.
    ///
    /// # Errors
    ///
    /// [`Error`], after the last try.
    pub async fn listing_in(&self, limit: u32, offset: u32, tries: u32) -> Result<Vec<Row>, Error> {
        // The form with path pairs is the one that production is known to answer.
        let (limit, offset) = (limit.to_string(), offset.to_string());
        let url = self.endpoint("listpermohonanterbit", &["limit", &limit, "offset", &offset]);
        let accept = if self.listing_in_xml.load(Ordering::Relaxed) { XML } else { JSON };
        let (reply, accepted) = self.ask("listpermohonanterbit", &url, accept, tries).await?;
        if accepted == XML {
            self.listing_in_xml.store(true, Ordering::Relaxed);
        }
        match reply {
            Reply::Rows(rows) => Ok(rows),
            Reply::Error(words) if says(&words, "tidak ada data") => Ok(Vec::new()),
            Reply::Error(words) => Err(message(&words)),
        }
    }

    /// `cekperizinan`: the details of the permits whose stored, encoded number is `permit_number`; none where the
    /// server does not find it.
    ///
    /// # Errors
    ///
    /// [`Error`], after the gate's retries.
    pub async fn permit(&self, permit_number: &str) -> Result<Vec<Row>, Error> {
        self.details("cekperizinan", permit_number).await
    }

    /// `cekperizinanizin`: as [`Client::permit`], but the server compares the number itself. It finds permits whose
    /// encoded number was never stored. None, without a request, once the server has said that it has no such endpoint.
    ///
    /// # Errors
    ///
    /// [`Error`], after the gate's retries.
    pub async fn permit_by_number(&self, permit_number: &str) -> Result<Vec<Row>, Error> {
        if self.lacks_izin.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        match self.details("cekperizinanizin", permit_number).await {
            Err(Error::UnknownMethod { .. }) => {
                self.lacks_izin.store(true, Ordering::Relaxed);
                Ok(Vec::new())
            }
            answer => answer,
        }
    }

    async fn details(&self, endpoint: &'static str, number: &str) -> Result<Vec<Row>, Error> {
        let mut url = self.endpoint(endpoint, &[]);
        // Base64 holds `/`, which the form with path pairs would cut, and `+`, which is a space in a query
        // unless it is percent-encoded, as `append_pair` does.
        url.query_pairs_mut().append_pair("no_izin", &STANDARD.encode(number));
        match self.ask(endpoint, &url, JSON, retry::MAX_TRIES).await?.0 {
            Reply::Rows(rows) => Ok(rows),
            Reply::Error(words) if says(&words, "tidak terdaftar") => Ok(Vec::new()),
            Reply::Error(words) if says(&words, "tidak ada data") => Ok(Vec::new()),
            Reply::Error(words) => Err(message(&words)),
        }
    }

    fn endpoint(&self, name: &str, pairs: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(name).extend(pairs);
        }
        url
    }

    /// What the server replies, and the form in which it was had at last.
    async fn ask(
        &self,
        endpoint: &'static str,
        url: &Url,
        accept: &'static str,
        tries: u32,
    ) -> Result<(Reply, &'static str), Error> {
        match self.get(url, decode, accept, tries).await? {
            ((Reply::Error(words), _), _) if says(&words, "unknown method") => {
                Err(Error::UnknownMethod { endpoint })
            }
            ((reply, _), accepted) => Ok((reply, accepted)),
        }
    }

    /// Asks for the form `accept` until there is an answer that `read` understands, or no more try is due; answers
    /// also how long the last try took, and for which form it asked.
    async fn get<T>(
        &self,
        url: &Url,
        read: fn(&[u8]) -> Result<T, Unreadable>,
        mut accept: &'static str,
        most_tries: u32,
    ) -> Result<((T, Duration), &'static str), Error> {
        let mut tries = 0;
        loop {
            let error = match self.attempt(url, read, &mut accept, tries > 0).await {
                Ok(answer) => return Ok((answer, accept)),
                Err(error) => error,
            };
            tries += 1;
            if let Some(asked) = error.retry_after() {
                self.gate.pause_for(asked.min(retry::LONGEST_RETRY_AFTER));
            }
            let pause = retry::pause(&error, tries, rand::random()).filter(|_| tries < most_tries);
            let Some(pause) = pause else {
                return Err(error);
            };
            tracing::debug!(%error, tries, pause_ms = pause.as_millis(), "SICANTIK is asked again");
            tokio::select! {
                () = self.stop.cancelled() => return Err(Error::Stopped),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Asks for JSON and, where PHP fails to encode it, at once for XML; from then on `accept` is XML.
    async fn attempt<T>(
        &self,
        url: &Url,
        read: fn(&[u8]) -> Result<T, Unreadable>,
        accept: &mut &'static str,
        is_retry: bool,
    ) -> Result<(T, Duration), Error> {
        let mut answer = self.send(url, accept, is_retry).await?;
        let mut reply = read(&answer.body);
        if answer.status.is_success() && *accept == JSON && matches!(reply, Err(Unreadable::Empty))
        {
            *accept = XML;
            answer = self.send(url, XML, true).await?;
            reply = read(&answer.body);
        }
        match reply {
            Ok(reply) => Ok((reply, answer.elapsed)),
            // With data, 404 and 400 are answers; with a page or nothing they are what they say.
            Err(_) if !answer.status.is_success() => Err(Error::Refused { status: answer.status }),
            Err(unreadable) => Err(unreadable.into()),
        }
    }

    /// Sends one request through the gate, and those to which it is redirected on the same host.
    async fn send(&self, url: &Url, accept: &str, is_retry: bool) -> Result<Answer, Error> {
        let mut url = url.clone();
        let mut redirects = 0;
        loop {
            let slot = tokio::select! {
                // Who has to stop does not send one more because the gate happens to be open.
                biased;
                () = self.stop.cancelled() => return Err(Error::Stopped),
                slot = self.enter(is_retry) => slot,
            };
            let started = Instant::now();
            if is_retry {
                metrics::counter!("sicantik_retries_total").increment(1);
            }
            let response = self
                .http
                .get(url.clone())
                .header(ACCEPT, accept)
                .send()
                .await
                .map_err(|error| self.transport(&error))
                .inspect_err(|error| count(error.label(), started))?;
            let status = response.status();
            if status.is_redirection() {
                count("redirected", started);
                if redirects == MAX_REDIRECTS {
                    return Err(Error::Refused { status });
                }
                redirects += 1;
                url = redirect(&url, response.headers(), status)?;
                drop(slot);
                continue;
            }
            let answer = self.read(response, started, slot).await;
            count(answer.as_ref().map_or_else(Error::label, |_| "answered"), started);
            return answer;
        }
    }

    async fn enter(&self, is_retry: bool) -> Slot {
        if self.has_priority {
            self.gate.enter_priority(is_retry).await
        } else {
            self.gate.enter(is_retry).await
        }
    }

    /// Reads an answer to its end; the request stays in flight until then.
    async fn read(
        &self,
        mut response: reqwest::Response,
        started: Instant,
        _slot: Slot,
    ) -> Result<Answer, Error> {
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Unreadable::TooLarge { limit: MAX_BODY }.into());
            }
            body.extend_from_slice(&chunk);
        }
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(Error::ServerBusy { status, retry_after })
            }
            status if status.is_server_error() => Err(Error::ServerBusy { status, retry_after }),
            // "Not found" and "past the end" come as 404, with the server's words in the body.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
                Ok(Answer { status, body, elapsed: started.elapsed() })
            }
            status if status.is_success() => {
                Ok(Answer { status, body, elapsed: started.elapsed() })
            }
            status => Err(Error::Refused { status }),
        }
    }

    fn transport(&self, error: &reqwest::Error) -> Error {
        if error.is_timeout() { Error::Timeout { after: self.timeout } } else { connection(error) }
    }
}

/// Counts a request that left, for whoever records metrics.
fn count(outcome: &'static str, started: Instant) {
    metrics::counter!("sicantik_requests_total", "outcome" => outcome).increment(1);
    metrics::histogram!("sicantik_request_duration_seconds").record(started.elapsed());
}

/// The innermost cause says what happened; the outer ones repeat the address, with the permit's number in it.
fn connection(error: &dyn std::error::Error) -> Error {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Error::Connection { reason: cause.to_string() }
}

/// Whether the server's words hold the known phrase; its punctuation and case differ between deployments.
fn says(words: &str, phrase: &str) -> bool {
    words.to_lowercase().contains(phrase)
}

fn message(words: &str) -> Error {
    Error::Message { message: words.trim().chars().take(200).collect() }
}
