//! The requests that the simulated server received, each with its time and sender, and the figures
//! that tests ask for, counted as they come so that nobody has to download the log for them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Method;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::fault::Fault;

/// One second, in the unit of the log.
const SECOND: u64 = 1_000_000;

/// The log of a server. Times count from its start.
pub(super) struct Log {
    start: Instant,
    keep: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Incremented by each reset, so that a request from before it is not counted after it.
    generation: u64,
    total: u64,
    entries: VecDeque<Entry>,
    /// Times of the requests of the last second, for the busiest one.
    window: VecDeque<u64>,
    busiest: usize,
    in_flight: usize,
    most_in_flight: usize,
    tries: HashMap<u64, u32>,
    repeated: u64,
    unanswered: u64,
    first: Option<u64>,
    last: Option<u64>,
    statuses: BTreeMap<u16, u64>,
    endpoints: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    /// Requests by program, as the `User-Agent` names it: who else queries the server.
    products: BTreeMap<String, u64>,
}

struct Entry {
    time: u64,
    duration: Option<u64>,
    status: Option<u16>,
    fault: Option<Fault>,
    method: Method,
    target: Box<str>,
    user_agent: Box<str>,
}

/// A request whose head has been read.
pub(super) struct Received<'a> {
    pub(super) method: &'a Method,
    /// Path and query.
    pub(super) target: &'a str,
    /// Empty where the client does not say.
    pub(super) user_agent: &'a str,
    pub(super) endpoint: &'a str,
    /// A number for what is asked, the same each time.
    pub(super) question: u64,
}

impl Received<'_> {
    /// The name of the client's program, without its version.
    fn product(&self) -> &str {
        match self.user_agent.split(['/', ' ']).next() {
            Some(name) if !name.is_empty() => name,
            _ => "unknown",
        }
    }

    fn endpoint(&self) -> &'static str {
        self.endpoint.parse().map_or("other", Endpoint::name)
    }
}

/// A request that is being answered; dropped without a response it counts as unanswered.
pub(super) struct InFlight {
    log: Arc<Log>,
    generation: u64,
    sequence: u64,
    began: Instant,
    answered: bool,
    /// How often the same question was asked before.
    pub(super) tries: u32,
    /// How many requests there have been for this endpoint, this one included.
    pub(super) of_endpoint: u64,
}

impl Log {
    pub(super) fn new(keep: usize) -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), keep, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counting goes on although a thread panicked while it counted.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a request whose head has just been read.
    pub(super) fn begin(self: &Arc<Self>, received: &Received<'_>) -> InFlight {
        let mut guard = self.state();
        let state = &mut *guard;
        // Read with the lock held: times in the log never go back.
        let began = Instant::now();
        let time = began.duration_since(self.start).as_micros() as u64;
        state.total += 1;
        state.first.get_or_insert(time);
        state.last = Some(time);
        while state.window.front().is_some_and(|earlier| time - earlier >= SECOND) {
            state.window.pop_front();
        }
        state.window.push_back(time);
        state.busiest = state.busiest.max(state.window.len());
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        let tries = state.tries.entry(received.question).or_default();
        let earlier = *tries;
        *tries += 1;
        state.repeated += u64::from(earlier > 0);
        *state.products.entry(received.product().to_owned()).or_default() += 1;
        let of_endpoint = state.endpoints.entry(received.endpoint()).or_default();
        *of_endpoint += 1;
        let of_endpoint = *of_endpoint;
        if self.keep > 0 {
            if state.entries.len() == self.keep {
                state.entries.pop_front();
            }
            state.entries.push_back(Entry {
                time,
                duration: None,
                status: None,
                fault: None,
                method: received.method.clone(),
                target: received.target.into(),
                user_agent: received.user_agent.into(),
            });
        }
        InFlight {
            log: Arc::clone(self),
            generation: state.generation,
            sequence: state.total,
            began,
            answered: false,
            tries: earlier,
            of_endpoint,
        }
    }

    /// Forgets all requests, and how often each question was asked: what comes now meets the
    /// same faults again.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        *state = State {
            generation: state.generation + 1,
            in_flight: state.in_flight,
            most_in_flight: state.in_flight,
            ..State::default()
        };
    }

    /// The figures. Times are in microseconds since the server started; a second is any window of
    /// 1,000,000 of them.
    pub(super) fn summary(&self) -> Value {
        let state = self.state();
        json!({
            "requests": state.total,
            "max_in_any_second": state.busiest,
            "max_in_flight": state.most_in_flight,
            "in_flight": state.in_flight,
            "first_us": state.first,
            "last_us": state.last,
            "now_us": self.start.elapsed().as_micros() as u64,
            "repeated": state.repeated,
            "distinct": state.tries.len(),
            "unanswered": state.unanswered,
            "statuses": state.statuses,
            "endpoints": state.endpoints,
            "faults": state.faults,
            "products": state.products,
        })
    }

    /// At most `limit` requests from the `offset`-th kept one on, with the busiest second.
    pub(super) fn page(&self, offset: usize, limit: usize) -> Value {
        let state = self.state();
        let dropped = state.total - state.entries.len() as u64;
        let requests: Vec<Value> = state
            .entries
            .iter()
            .enumerate()
            .skip(offset)
            .take(limit)
            .map(|(place, entry)| {
                json!({
                    "sequence": dropped + place as u64 + 1,
                    "time_us": entry.time,
                    "method": entry.method.as_str(),
                    "target": entry.target,
                    "status": entry.status,
                    "user_agent": entry.user_agent,
                    "fault": entry.fault.map(Fault::name),
                    "duration_us": entry.duration,
                })
            })
            .collect();
        json!({
            "total": state.total,
            "kept": state.entries.len(),
            "offset": offset,
            "max_in_any_second": state.busiest,
            "requests": requests,
        })
    }
}

impl InFlight {
    /// Notes the fault that this request meets.
    pub(super) fn meets(&self, fault: Fault) {
        let mut state = self.log.state();
        if state.generation == self.generation {
            *state.faults.entry(fault.name()).or_default() += 1;
            if let Some(entry) = self.entry(&mut state) {
                entry.fault = Some(fault);
            }
        }
    }

    /// Notes that the request is answered with `status`.
    pub(super) fn answered(mut self, status: u16) {
        self.answered = true;
        let mut state = self.log.state();
        if state.generation == self.generation {
            *state.statuses.entry(status).or_default() += 1;
            if let Some(entry) = self.entry(&mut state) {
                entry.status = Some(status);
            }
        }
    }

    fn entry<'a>(&self, state: &'a mut State) -> Option<&'a mut Entry> {
        let dropped = state.total - state.entries.len() as u64;
        let place = self.sequence.checked_sub(dropped + 1)?;
        state.entries.get_mut(place as usize)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.log.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        if state.generation != self.generation {
            return;
        }
        let duration = self.began.elapsed().as_micros() as u64;
        state.unanswered += u64::from(!self.answered);
        if let Some(entry) = self.entry(&mut state) {
            entry.duration = Some(duration);
        }
    }
}
