//! What a simulator can say that the real server cannot, under `/_simulator`: the requests it
//! received, the truth, and changes on demand. Responses are JSON; none of this is logged.

use std::sync::Arc;

use futures::stream;
use http::{Method, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use strum::VariantNames as _;

use super::change::Change;
use super::fault::Share;
use super::options::duration;
use super::reply::{Body, response, whole};
use super::request::{find, pairs};
use super::state::{State, slots};
use super::truth;

/// Under this path the simulator answers about itself.
pub(super) const PATH: &str = "/_simulator";

const INDEX: &str = "\
GET  /_simulator/log?offset&limit       requests: time in us since the start, method, target,
                                        user_agent, status, fault
GET  /_simulator/log/summary            totals, max_in_any_second, max_in_flight, and how many
                                        by status, endpoint, fault and product (User-Agent)
GET  /_simulator/truth?offset&limit     the truth about each permit, 1000 at a time
GET  /_simulator/truth?format=ndjson    the same, all of them, one a line
GET  /_simulator/truth/summary          how many permits of each kind
POST /_simulator/reset-log              forgets all requests, and how often each was repeated
POST /_simulator/upgrade, downgrade     rows of the listing carry dates, or no longer
POST /_simulator/add?count              new permits at the front
POST /_simulator/swap?count             rows of the same day change places
POST /_simulator/unlist?count           permits leave the listing
POST /_simulator/renew?count            permits end a year later
POST /_simulator/rename?count           permits get another applicant
POST /_simulator/set?latency&listing_latency&jitter&slow&capacity&fault&at&old
                                        like the flags; fault=none ends all faults
";

/// How many permits a page of the truth has by default.
const PAGE: usize = 1000;

/// How many permits a chunk of the whole truth has.
const CHUNK: usize = 500;

/// Answers a request about the simulator itself.
pub(super) fn respond(
    state: &Arc<State>,
    method: &Method,
    rest: &str,
    query: Option<&str>,
) -> Response<Body> {
    let parameters = pairs(query);
    let get = |name: &str| find(&parameters, name);
    let answer = match (method, rest.trim_matches('/')) {
        (&Method::GET, "") => {
            return response(200, "text/plain; charset=utf-8", whole(INDEX.into()));
        }
        (&Method::GET, "log") => number(get("offset"), 0)
            .and_then(|offset| Ok(state.log.page(offset, number(get("limit"), usize::MAX)?))),
        (&Method::GET, "log/summary") => Ok(state.log.summary()),
        (&Method::GET, "truth") if get("format") == Some("ndjson") => {
            return whole_truth(state);
        }
        (&Method::GET, "truth") => number(get("offset"), 0)
            .and_then(|offset| Ok(truth_page(state, offset, number(get("limit"), PAGE)?))),
        (&Method::GET, "truth/summary") => Ok(json!(truth::summary(&state.world()))),
        (&Method::POST, "reset-log") => {
            state.log.reset();
            Ok(json!({"reset": true}))
        }
        (&Method::POST, "set") => set(state, &parameters),
        (&Method::POST, name) if Change::VARIANTS.contains(&name) => {
            change(state, name, get("count"))
        }
        _ => {
            let error = format!("{method} {PATH}{rest} was not expected");
            return reply(404, &json!({"error": error}));
        }
    };
    match answer {
        Ok(value) => reply(200, &value),
        Err(error) => reply(400, &json!({"error": error})),
    }
}

fn reply(status: u16, value: &Value) -> Response<Body> {
    response(status, "application/json", whole(value.to_string().into_bytes()))
}

fn number(text: Option<&str>, otherwise: usize) -> Result<usize, String> {
    text.map_or(Ok(otherwise), |text| text.parse().map_err(|_| format!("`{text}` is not a number")))
}

fn change(state: &State, name: &str, count: Option<&str>) -> Result<Value, String> {
    let count = u32::try_from(number(count, 1)?).map_err(|error| error.to_string())?;
    let change = Change::named(name, count)?;
    let mut world = state.world_mut();
    let touched = world.apply(change);
    Ok(json!({
        "change": change.to_string(),
        "touched": touched,
        "permits": world.count(),
        "listing_rows": world.listed_rows(),
        "upgraded": world.upgraded,
    }))
}

/// Sets all that is given, or nothing if one of them is wrong.
fn set(state: &State, parameters: &[(String, String)]) -> Result<Value, String> {
    let mut settings = state.settings();
    let mut schedule = Vec::new();
    let mut faults: Option<Vec<Share>> = None;
    let mut old = None;
    for (name, value) in parameters {
        let wrong = |error: String| format!("{name}: {error}");
        let time = || duration(value).map_err(wrong);
        match name.as_str() {
            "latency" => settings.latency = time()?,
            "listing_latency" => settings.listing_latency = Some(time()?),
            "jitter" => settings.jitter = time()?,
            "slow" => settings.slow = time()?,
            "capacity" => settings.slots = slots(number(Some(value), 0)?),
            "fault" if value == "none" => faults = Some(Vec::new()),
            "fault" => faults.get_or_insert_default().push(value.parse().map_err(wrong)?),
            "at" => schedule.push(value.parse().map_err(wrong)?),
            "old" => old = Some(value.parse().map_err(|_| wrong("true or false".into()))?),
            _ => return Err(format!("`{name}` cannot be set")),
        }
    }
    if let Some(faults) = faults {
        settings.faults = faults.into();
    }
    let faults: Vec<Value> = settings
        .faults
        .iter()
        .map(|Share { fault, share }| json!({"kind": fault.name(), "share": share}))
        .collect();
    let answer = json!({
        "latency_ms": settings.latency.as_secs_f64() * 1000.0,
        "jitter_ms": settings.jitter.as_secs_f64() * 1000.0,
        "faults": faults,
    });
    state.set(settings);
    state.schedule().extend(schedule);
    if let Some(old) = old {
        state.world_mut().old = old;
    }
    Ok(answer)
}

fn truth_page(state: &State, offset: usize, limit: usize) -> Value {
    let world = state.world();
    let permits: Vec<_> = (0..)
        .zip(world.times_listed())
        .skip(offset)
        .take(limit)
        .map(|(permit, listing_rows)| truth::truth(&world, permit, listing_rows))
        .collect();
    let next = offset.saturating_add(limit);
    json!({
        "total": world.count(),
        "offset": offset,
        "next_offset": (next < world.count() as usize).then_some(next),
        "permits": permits,
    })
}

/// The truth about all permits, generated while it is being sent.
fn whole_truth(state: &Arc<State>) -> Response<Body> {
    let state = Arc::clone(state);
    let times_listed = state.world().times_listed();
    let starts = (0..times_listed.len()).step_by(CHUNK);
    let chunks = starts.map(move |start| {
        let world = state.world();
        let end = times_listed.len().min(start + CHUNK);
        let mut chunk = Vec::new();
        for (place, listing_rows) in times_listed[start..end].iter().enumerate() {
            let truth = truth::truth(&world, (start + place) as u32, *listing_rows);
            serde_json::to_writer(&mut chunk, &truth).map_err(std::io::Error::other)?;
            chunk.push(b'\n');
        }
        Ok(Frame::data(Bytes::from(chunk)))
    });
    let body = StreamBody::new(stream::iter(chunks)).boxed_unsync();
    response(200, "application/x-ndjson", body)
}
