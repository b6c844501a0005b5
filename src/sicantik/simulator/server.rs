//! From a request to its response: logs it, lets it wait its turn, and gives it its fault or what
//! the API says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, HeaderName, USER_AGENT};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::chance::{mix, unit};
use super::control;
use super::fault::{self, Fault};
use super::log::{InFlight, Received};
use super::options::{Format, Options};
use super::render::{self, Style};
use super::reply::{
    Body, broken, deflate, gzip, html, refusal, replacement, response, short, truncated, whole,
};
use super::request::Call;
use super::routes::{self, Answer};
use super::state::{Settings, State};

/// How long a query that never ends is let run.
const HANG: Duration = Duration::from_secs(600);

/// One in so many responses has a wrong content type.
const MISLABELLED: u64 = 25;

/// The simulated server, shared by its connections.
#[derive(Clone)]
pub(super) struct Simulator {
    state: Arc<State>,
    stop: CancellationToken,
}

/// A question to the API.
struct Question {
    call: Call,
    is_get: bool,
    json: bool,
    draws: Draws,
}

/// What a request is drawn by: the seed, what is asked, and how often it was asked before.
#[derive(Clone, Copy)]
struct Draws {
    seed: u64,
    question: u64,
    tries: u32,
}

impl Draws {
    fn draw(&self, salt: u64) -> u64 {
        mix(&[self.seed, self.question, u64::from(self.tries), salt])
    }

    /// How far rows of the listing stand off their places. For one question in three the rows of a
    /// day come in another order, the same each time it is asked: the database breaks ties by the
    /// limit and the offset.
    fn twist(self) -> u64 {
        let ties = Self { tries: 0, ..self };
        if ties.draw(2).is_multiple_of(3) { ties.draw(3) } else { 0 }
    }
}

impl Settings {
    /// How long this response takes.
    fn delay(&self, is_listing: bool, fault: Option<Fault>, draws: &Draws) -> Duration {
        let latency = self.listing_latency.filter(|_| is_listing).unwrap_or(self.latency);
        let jitter = self.jitter.as_secs_f64() * (2.0 * unit(draws.draw(1)) - 1.0);
        let late = if fault == Some(Fault::Slow) { self.slow } else { Duration::ZERO };
        Duration::from_secs_f64((latency.as_secs_f64() + jitter).max(0.0)) + late
    }
}

impl Simulator {
    pub(super) fn new(options: Options, stop: CancellationToken) -> Self {
        Self { state: Arc::new(State::new(options)), stop }
    }

    /// The response to a request. The error closes the connection without one.
    pub(super) async fn respond(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let uri = request.uri();
        if let Some(rest) = uri.path().strip_prefix(control::PATH) {
            return Ok(control::respond(&self.state, request.method(), rest, uri.query()));
        }
        let header = |name: HeaderName| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let call = Call::parse(uri.path(), uri.query());
        let question = call.as_ref().map_or(0, Call::question);
        let in_flight = self.state.log.begin(&Received {
            method: request.method(),
            target: uri.path_and_query().map_or("/", |target| target.as_str()),
            user_agent: header(USER_AGENT),
            endpoint: call.as_ref().map_or("", |call| &call.endpoint),
            question,
        });
        let Some(call) = call else {
            in_flight.answered(404);
            return Ok(html(404, fault::page("Not Found", "The requested URL was not found.")));
        };
        let json = match self.state.options.format {
            Format::Xml => false,
            Format::Json => true,
            Format::Negotiate => call.wants_json(header(ACCEPT)),
        };
        let draws = Draws { seed: self.state.options.seed, question, tries: in_flight.tries };
        let is_get = *request.method() == Method::GET;
        self.answer(&Question { call, is_get, json, draws }, in_flight).await
    }

    async fn answer(&self, question: &Question, in_flight: InFlight) -> io::Result<Response<Body>> {
        let Question { call, draws, .. } = question;
        let is_listing = routes::is_listing(&call.endpoint);
        if is_listing {
            self.state.apply_due(in_flight.of_endpoint);
        }
        let settings = self.state.settings();
        let fault = fault::choose(&settings.faults, draws.seed, draws.question, draws.tries);
        if let Some(fault) = fault {
            in_flight.meets(fault);
            // The proxy in front of the server refuses at once.
            if let Some(response) = refusal(fault, call) {
                in_flight.answered(response.status().as_u16());
                return Ok(response);
            }
        }
        let _slot = settings.slots.acquire().await.map_err(io::Error::other)?;
        let delay = settings.delay(is_listing, fault, draws);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match fault {
            Some(Fault::Timeout) => return self.hang().await,
            Some(Fault::Broken) => return Err(broken()),
            _ => {}
        }
        if let Some(response) = fault.and_then(replacement) {
            in_flight.answered(response.status().as_u16());
            return Ok(response);
        }
        let Some((status, body)) = self.say(question, fault) else {
            return self.hang().await;
        };
        in_flight.answered(status);
        Ok(self.sent(question, fault, status, body))
    }

    /// The status and body of what the API says, or `None` where its query never ends.
    fn say(&self, question: &Question, fault: Option<Fault>) -> Option<(u16, Vec<u8>)> {
        let answer = if question.is_get {
            routes::answer(&self.state.world(), &question.call, question.draws.twist())
        } else {
            routes::unknown_method()
        };
        let (status, document) = match answer {
            Answer::Hangs => return None,
            Answer::Bare(status) => return Some((status, Vec::new())),
            Answer::Page(status, page) => return Some((status, page)),
            Answer::Document(status, document) => (status, document),
        };
        let Options { raw_bytes, numeric_check, .. } = self.state.options;
        let style = Style { raw_bytes, numeric_check };
        let body = match (question.json, fault) {
            (true, Some(Fault::InvalidUtf8)) => None,
            (true, _) => render::json(&document, style),
            (false, _) => Some(render::xml(&document, style)),
        };
        // Where the encoder failed, the status is that of a good answer.
        Some(body.map_or((200, Vec::new()), |body| (status, body)))
    }

    /// The response as it goes over the wire, with the faults that change a good one.
    fn sent(
        &self,
        question: &Question,
        fault: Option<Fault>,
        status: u16,
        body: Vec<u8>,
    ) -> Response<Body> {
        let mislabelled =
            !self.state.options.clean && question.draws.draw(4).is_multiple_of(MISLABELLED);
        let content_type = match (mislabelled, question.json) {
            (true, _) => "text/html; charset=UTF-8",
            (false, true) => "application/json",
            (false, false) => "application/xml",
        };
        match fault {
            Some(Fault::PhpWarning) => {
                let body = [fault::PHP_WARNING.as_bytes(), &body].concat();
                response(status, "text/html; charset=UTF-8", whole(body))
            }
            Some(Fault::ByteOrderMark) => {
                let body = ["\u{feff}\n\u{feff}".as_bytes(), &body].concat();
                response(status, content_type, whole(body))
            }
            Some(Fault::Script) => {
                let script = fault::SCRIPT.as_bytes();
                response(status, content_type, whole([script, &body, script].concat()))
            }
            Some(Fault::Gzip) => response(status, content_type, whole(gzip(&body))),
            Some(Fault::Deflate) => response(status, content_type, whole(deflate(&body))),
            Some(Fault::Short) => short(status, content_type, body),
            Some(Fault::Truncated) => truncated(status, content_type, body),
            _ => response(status, content_type, whole(body)),
        }
    }

    async fn hang(&self) -> io::Result<Response<Body>> {
        tokio::select! {
            () = tokio::time::sleep(HANG) => {}
            () = self.stop.cancelled() => {}
        }
        Err(broken())
    }
}
