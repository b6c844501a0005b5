//! A ledger of runs in memory, as the addon keeps it, behind the fake Odoo.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use sicantik_sidecar::odoo::Permit;

use super::odoo::{Answer, FakeOdoo, Seen};
use super::plain::page;

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: i64,
    pub(crate) kind: &'static str,
    pub(crate) api_url: String,
    pub(crate) rate: f64,
    pub(crate) state: String,
    pub(crate) worker: Option<String>,
    /// Why it ended, where Odoo has a sentence for that.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) outcomes: Vec<Value>,
    pub(crate) last_batch: u64,
    pub(crate) cancel_requested: bool,
    pub(crate) released: u32,
    pub(crate) attempts: u32,
    /// Its lease is over.
    pub(crate) lapsed: bool,
    /// How many permits Odoo refuses to mark in its check.
    refused: u64,
}

/// A run to be queued.
pub(crate) struct QueuedRun {
    kind: &'static str,
    api_url: String,
    rate: f64,
    refused: u64,
}

impl QueuedRun {
    /// A run of `kind` for the server at `api_url`, at ten requests per second.
    pub(crate) fn of(kind: &'static str, api_url: &str) -> Self {
        Self { kind, api_url: api_url.to_owned(), rate: 10.0, refused: 0 }
    }

    /// Requests per second.
    pub(crate) fn rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// How many permits Odoo refuses to mark in its check.
    pub(crate) fn refused(self, refused: u64) -> Self {
        Self { refused, ..self }
    }
}

#[derive(Default)]
struct Tables {
    runs: Vec<Run>,
    permits: Vec<Permit>,
    takeover: Option<&'static str>,
    /// Permits that are counted, and that the user may not read.
    hidden: usize,
}

/// Cheap to clone; clones are the same ledger.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Tables>>);

impl Ledger {
    /// Answers the calls of `odoo` about `permits`.
    pub(crate) fn behind(odoo: &FakeOdoo, permits: Vec<Permit>) -> Self {
        Self::behind_with(odoo, permits, |_| None)
    }

    /// Answers them unless `rule` does.
    pub(crate) fn behind_with(
        odoo: &FakeOdoo,
        permits: Vec<Permit>,
        rule: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let ledger = Self::default();
        ledger.tables().permits = permits;
        let answering = ledger.clone();
        odoo.handle(move |seen| rule(seen).or_else(|| answering.answer(seen)));
        ledger
    }

    /// Queues a run; returns its id.
    pub(crate) fn add(&self, run: QueuedRun) -> i64 {
        let QueuedRun { kind, api_url, rate, refused } = run;
        let mut tables = self.tables();
        let id = tables.runs.len() as i64 + 1;
        tables.runs.push(Run {
            id,
            kind,
            api_url,
            rate,
            state: "queued".to_owned(),
            worker: None,
            code: String::new(),
            message: String::new(),
            outcomes: Vec::new(),
            last_batch: 0,
            cancel_requested: false,
            released: 0,
            attempts: 0,
            lapsed: false,
            refused,
        });
        id
    }

    pub(crate) fn run(&self, id: i64) -> Run {
        self.tables().runs[id as usize - 1].clone()
    }

    pub(crate) fn cancel(&self, id: i64) {
        self.tables().runs[id as usize - 1].cancel_requested = true;
    }

    /// Another worker claims the run that is worked on, just before the next call of `method`.
    pub(crate) fn take_over_before(&self, method: &'static str) {
        self.tables().takeover = Some(method);
    }

    /// A record rule hides so many more permits, which the ledger counts.
    pub(crate) fn hide(&self, hidden: usize) {
        self.tables().hidden = hidden;
    }

    /// The lease of a run runs out, as while Odoo is away.
    pub(crate) fn lapse(&self, id: i64) {
        self.tables().runs[id as usize - 1].lapsed = true;
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().expect("no test thread panicked with it")
    }

    fn answer(&self, seen: &Seen) -> Option<Answer> {
        let mut tables = self.tables();
        let kwargs = &seen.kwargs;
        let value = match (seen.model.as_str(), seen.method.as_str()) {
            (_, "fields_get") => json!({
                "permit_number": {}, "registration_id": {}, "expiry_date": {}, "status": {},
                "name": {}, "api_url": {}, "state": {},
            }),
            ("res.users", "read") => json!([{ "id": 7, "login": super::odoo::LOGIN }]),
            ("res.users.apikeys", _) => json!([]),
            ("sicantik.permit", "search_read")
                if kwargs["domain"].to_string().contains(r#"["registration_id","=",false]"#) =>
            {
                json!([])
            }
            ("sicantik.permit", "search_count") => json!(tables.permits.len()),
            ("sicantik.permit", "search_read") => page(&tables.permits, kwargs),
            ("sicantik.sync.run", method) => tables.ledger(method, kwargs)?,
            ("sicantik.connector", "search_read") => json!([
                { "id": 1, "name": "Karo", "api_url": tables.runs.first()?.api_url },
            ]),
            _ => return None,
        };
        Some(Answer::Value(value))
    }
}

impl Tables {
    /// Answers a call to the ledger.
    fn ledger(&mut self, method: &str, kwargs: &Value) -> Option<Value> {
        let total = self.permits.len() + self.hidden;
        match method {
            "claim" => return Some(self.claim(kwargs)),
            "start" => return self.start(kwargs),
            "search_read" => return Some(self.runs.iter().rev().map(summary).collect()),
            "plan" => {
                return Some(json!({
                    "domains": [[["status", "=", "active"]]], "total": total, "estimated_seconds": 50.0, "may_work": true,
                }));
            }
            _ => {}
        }
        let run = self.runs.iter_mut().find(|run| kwargs["run_id"] == run.id)?;
        if method == "cancel" {
            run.cancel_requested = true;
            return Some(json!({ "state": run.state }));
        }
        if self.takeover == Some(method) {
            run.worker = Some("another:1:00000000".to_owned());
        }
        if run.worker.as_deref() != kwargs["worker"].as_str() || run.state != "running" {
            return Some(json!({ "answer": "lost" }));
        }
        run.held(method, kwargs, total)
    }

    fn claim(&mut self, kwargs: &Value) -> Value {
        let total = self.permits.len() + self.hidden;
        let held = kwargs["held"].as_array().expect("a list");
        let claimable = |run: &&mut Run| {
            (run.state == "queued" || run.state == "running" && run.lapsed)
                && !held.contains(&json!(run.id))
        };
        let Some(run) = self.runs.iter_mut().find(claimable) else { return json!(false) };
        run.take(kwargs);
        run.attempts += 1;
        run.lapsed = false;
        claim(run, total)
    }

    fn start(&mut self, kwargs: &Value) -> Option<Value> {
        let total = self.permits.len() + self.hidden;
        if kwargs["worker"].is_null() {
            return Some(json!({
                "run_id": 1, "created": false, "state": "queued", "trigger": "button",
                "worker": false, "requested_by": "Rina", "run": false,
            }));
        }
        let run = self.runs.iter_mut().find(|run| run.state == "queued")?;
        run.take(kwargs);
        Some(json!({
            "run_id": run.id, "created": true, "state": "running", "trigger": "cli",
            "worker": run.worker, "requested_by": "Rina", "run": claim(run, total),
        }))
    }
}

impl Run {
    /// The caller holds it now.
    fn take(&mut self, kwargs: &Value) {
        self.state = "running".to_owned();
        self.worker = kwargs["worker"].as_str().map(str::to_owned);
    }

    /// Answers a call of the worker that holds it.
    fn held(&mut self, method: &str, kwargs: &Value, total: usize) -> Option<Value> {
        let answer = if self.cancel_requested { "stop" } else { "go" };
        Some(match method {
            "record" => {
                let batch = kwargs["batch"].as_u64().expect("a number");
                if batch > self.last_batch {
                    self.last_batch = batch;
                    self.outcomes.extend(kwargs["outcomes"].as_array().expect("a list").clone());
                }
                json!({ "answer": answer, "rejected": 0 })
            }
            "record_listing" => {
                let batch = kwargs["batch"].as_u64().expect("a number");
                self.last_batch = self.last_batch.max(batch);
                json!({ "answer": answer, "created": kwargs["rows"].as_array()?.len() })
            }
            "listing_done" => json!({ "answer": answer }),
            "remaining" => json!({
                "answer": answer, "domains": [[["status", "=", "active"]]], "total": total,
                "limit": 0,
            }),
            "check" => json!({ "answer": "go", "expired": 2, "refused": self.refused }),
            "finish" => {
                self.state = kwargs["state"].as_str().expect("a state").to_owned();
                self.code = kwargs["code"].as_str().unwrap_or_default().to_owned();
                self.message = kwargs["message"].as_str().expect("a message").to_owned();
                json!({ "answer": "go", "counts": counts(self) })
            }
            "release" => {
                // Not queued again: the test looks at what was given back.
                self.state = "released".to_owned();
                self.released += 1;
                json!({ "answer": "go" })
            }
            _ => return None,
        })
    }
}

/// What has been recorded, by outcome.
fn counts(run: &Run) -> Value {
    let of = |word: &str| run.outcomes.iter().filter(|one| one["outcome"] == word).count();
    json!({
        "found": of("found"), "no_date": of("no_date"), "not_registered": of("not_registered"),
        "failed": of("failed") + run.refused as usize,
    })
}

/// What a worker is told of the run that it claims.
fn claim(run: &Run, total: usize) -> Value {
    json!({
        "run_id": run.id, "kind": run.kind, "trigger": "button", "attempt": 1, "max_permits": 0,
        "include_not_due": false, "refresh_older_than": 0, "total": total,
        "last_batch": run.last_batch, "answered": 0,
        "counts": { "found": 0, "no_date": 0, "not_registered": 0, "failed": 0 },
        "started_at": "2025-11-23 07:00:00", "domains": [[["status", "=", "active"]]],
        "connector": {
            "id": 1, "name": "Karo", "api_url": run.api_url, "request_rate": run.rate,
            "request_timeout": 10.0, "max_in_flight": 32, "page_size": 100, "tz": "Asia/Jakarta",
        },
    })
}

fn summary(run: &Run) -> Value {
    json!({
        "id": run.id, "connector_id": [1, "Karo"], "kind": run.kind, "state": run.state,
        "trigger": "button", "user_id": [7, "Rina"], "total": 500, "found_count": 250,
        "no_date_count": 30, "not_registered_count": 15, "failed_count": 5, "rate": 9.5,
        "eta_seconds": 20, "duration": 0.0, "cancel_requested": run.cancel_requested, "attempt": 1,
        "worker": "host:1:abc", "started_at": "2025-11-23 07:00:00", "finished_at": false,
        "message": false,
    })
}
