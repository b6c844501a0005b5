//! From a request to its answer: notes it, lets it wait its turn, gives it its trouble or what
//! the API says.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::chance::{mix, unit};
use super::change::Scheduled;
use super::control;
use super::fault::{self, Kind, Share};
use super::log::{InFlight, Log};
use super::options::{Format, Options};
use super::render;
use super::reply::{Body, broken, html, refusal, replacement, response, truncated, whole};
use super::request::Call;
use super::routes::{self, Answer};
use super::world::World;

/// How long a query that never ends is let run.
const HANG: Duration = Duration::from_secs(600);

/// One in so many answers has a label that is not true.
const MISLABELLED: u64 = 25;

/// The simulated server, shared by its connections.
#[derive(Clone)]
pub(super) struct Simulator(Arc<Shared>);

pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) log: Arc<Log>,
    world: RwLock<World>,
    settings: RwLock<Settings>,
    schedule: Mutex<Vec<Scheduled>>,
    stop: CancellationToken,
}

/// What can be set while the server runs.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) latency: Duration,
    pub(super) listing_latency: Option<Duration>,
    pub(super) jitter: Duration,
    pub(super) slow: Duration,
    pub(super) faults: Arc<[Share]>,
    pub(super) slots: Arc<Semaphore>,
}

/// As many slots as requests may be worked on at once.
pub(super) fn slots(capacity: usize) -> Arc<Semaphore> {
    let slots = if capacity == 0 { Semaphore::MAX_PERMITS } else { capacity };
    Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS)))
}

/// What a request is drawn by: the seed, what is asked, and how often it was asked before.
struct Draws {
    seed: u64,
    question: u64,
    tries: u32,
}

impl Draws {
    fn draw(&self, salt: u64) -> u64 {
        mix(&[self.seed, self.question, u64::from(self.tries), salt])
    }
}

impl Simulator {
    pub(super) fn new(options: Options, stop: CancellationToken) -> Self {
        let settings = Settings {
            latency: options.latency,
            listing_latency: options.listing_latency,
            jitter: options.jitter,
            slow: options.slow,
            faults: options.faults.clone().into(),
            slots: slots(options.capacity),
        };
        Self(Arc::new(Shared {
            log: Log::new(options.log_entries),
            world: RwLock::new(World::new(&options)),
            settings: RwLock::new(settings),
            schedule: Mutex::new(options.schedule.clone()),
            stop,
            options,
        }))
    }

    /// The answer to a request. The error closes the connection without one.
    pub(super) async fn respond(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let shared = &self.0;
        let uri = request.uri();
        if let Some(rest) = uri.path().strip_prefix(control::PATH) {
            return Ok(control::respond(shared, request.method(), rest, uri.query()));
        }
        let call = Call::parse(uri.path(), uri.query());
        let question = call.as_ref().map_or(0, Call::question);
        let endpoint = call.as_ref().map_or("", |call| &call.endpoint);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let product = product(request.headers());
        let noted = shared.log.begin(request.method(), target, endpoint, question, product);
        let Some(call) = call else {
            noted.answered(404);
            return Ok(html(404, fault::page("Not Found", "The requested URL was not found.")));
        };
        let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let json = match shared.options.format {
            Format::Xml => false,
            Format::Json => true,
            Format::Negotiate => call.wants_json(accept.unwrap_or_default()),
        };
        shared.answer(&call, request.method(), json, question, noted).await
    }
}

impl Shared {
    pub(super) fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub(super) fn schedule(&self) -> MutexGuard<'_, Vec<Scheduled>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(
        &self,
        call: &Call,
        method: &Method,
        json: bool,
        question: u64,
        noted: InFlight,
    ) -> io::Result<Response<Body>> {
        let listing = routes::is_listing(&call.endpoint);
        if listing {
            self.let_happen(noted.of_endpoint);
        }
        let settings = self.settings();
        let draws = Draws { seed: self.options.seed, question, tries: noted.tries };
        let fault = fault::choose(&settings.faults, draws.seed, question, draws.tries);
        if let Some(fault) = fault {
            noted.meets(fault);
            // What stands in front of the server refuses at once.
            if let Some(response) = refusal(fault, call) {
                noted.answered(response.status().as_u16());
                return Ok(response);
            }
        }
        let _slot = settings.slots.acquire().await.map_err(io::Error::other)?;
        let latency = settings.listing_latency.filter(|_| listing).unwrap_or(settings.latency);
        let late = if fault == Some(Kind::Slow) { settings.slow } else { Duration::ZERO };
        let jitter = settings.jitter.as_secs_f64() * (2.0 * unit(draws.draw(1)) - 1.0);
        let latency = Duration::from_secs_f64((latency.as_secs_f64() + jitter).max(0.0)) + late;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        match fault {
            Some(Kind::Timeout) => return self.hang().await,
            Some(Kind::Broken) => return Err(broken()),
            Some(fault) => {
                if let Some(response) = replacement(fault) {
                    noted.answered(response.status().as_u16());
                    return Ok(response);
                }
            }
            None => {}
        }
        // For one question in three the rows of a day come in another order, and in the same one each time it is asked: the
        // database breaks ties by the limit and the offset.
        let ties = Draws { tries: 0, ..draws };
        let twist = if ties.draw(2).is_multiple_of(3) { ties.draw(3) } else { 0 };
        let answer = match *method {
            Method::GET => routes::answer(&self.world(), call, twist),
            _ => routes::unknown_method(),
        };
        let (status, body) = match answer {
            Answer::Hangs => return self.hang().await,
            Answer::Bare(status) => (status, Vec::new()),
            Answer::Document(status, document) => {
                let body = match (json, fault) {
                    (true, Some(Kind::InvalidUtf8)) => None,
                    (true, _) => render::json(&document),
                    (false, _) => Some(render::xml(&document)),
                };
                // Where the encoder failed, the status is that of a good answer.
                body.map_or((200, Vec::new()), |body| (status, body))
            }
        };
        noted.answered(status);
        let mislabelled = !self.options.clean && draws.draw(4).is_multiple_of(MISLABELLED);
        let label = match (mislabelled, json) {
            (true, _) => "text/html; charset=UTF-8",
            (false, true) => "application/json",
            (false, false) => "application/xml",
        };
        Ok(match fault {
            Some(Kind::PhpWarning) => {
                let body = [fault::PHP_WARNING.as_bytes(), &body].concat();
                response(status, "text/html; charset=UTF-8", whole(body))
            }
            Some(Kind::Truncated) => truncated(status, label, body),
            _ => response(status, label, whole(body)),
        })
    }

    /// Makes happen what is scheduled for this request for the listing.
    fn let_happen(&self, listing_request: u64) {
        let mut schedule = self.schedule();
        if schedule.is_empty() {
            return;
        }
        let (due, later) = schedule
            .drain(..)
            .partition::<Vec<_>, _>(|scheduled| scheduled.listing_request <= listing_request);
        *schedule = later;
        for Scheduled { change, .. } in due {
            tracing::info!(%change, listing_request, "the office changes");
            self.world_mut().apply(&change);
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

/// The name of the program that asks, without its version; `unknown` where it does not say.
fn product(headers: &HeaderMap) -> &str {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    match agent.split(['/', ' ']).next() {
        Some(name) if !name.is_empty() => name,
        _ => "unknown",
    }
}
