//! An Odoo without the addon, in memory: another module's permits and one connector, behind the
//! fake Odoo.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use sicantik_sidecar::odoo::Permit;

use super::odoo::{Answer, FakeOdoo, Seen};

/// What is known of permits and of the connector; it has no field for anything else.
const FIELDS: [&str; 10] = [
    "permit_number",
    "registration_id",
    "expiry_date",
    "status",
    "name",
    "api_url",
    "request_rate",
    "last_expiry_sync_date",
    "total_expiry_synced",
    "last_expiry_sync_duration",
];

#[derive(Default)]
struct Tables {
    permits: Vec<Permit>,
    connector: Value,
    dates: BTreeMap<i64, String>,
    statistics: Vec<Value>,
}

/// Cheap to clone; clones are the same database.
#[derive(Clone, Default)]
pub(crate) struct Plain(Arc<Mutex<Tables>>);

impl Plain {
    /// Answers the calls of `odoo` about `permits`, of which the SICANTIK at `api_url` is asked,
    /// unless `rule` does.
    pub(crate) fn behind(
        odoo: &FakeOdoo,
        permits: Vec<Permit>,
        api_url: &str,
        rule: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let plain = Self::default();
        plain.tables().permits = permits;
        plain.tables().connector =
            json!({ "id": 1, "name": "Karo", "api_url": api_url, "total_expiry_synced": 40 });
        let answering = plain.clone();
        odoo.handle(move |seen| rule(seen).or_else(|| answering.answer(seen)));
        plain
    }

    /// Sets a field of the connector.
    pub(crate) fn connector(&self, field: &str, value: Value) {
        self.tables().connector[field] = value;
    }

    /// The dates written, by permit.
    pub(crate) fn dates(&self) -> BTreeMap<i64, String> {
        self.tables().dates.clone()
    }

    /// What was written to the connector.
    pub(crate) fn statistics(&self) -> Vec<Value> {
        self.tables().statistics.clone()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().expect("no test thread panicked with it")
    }

    fn answer(&self, seen: &Seen) -> Option<Answer> {
        let mut tables = self.tables();
        let kwargs = &seen.kwargs;
        let value = match (seen.model.as_str(), seen.method.as_str()) {
            ("sicantik.sync.run", _) => {
                let name = "werkzeug.exceptions.NotFound";
                return Some(Answer::Fault(
                    404,
                    name,
                    "the model 'sicantik.sync.run' does not exist",
                ));
            }
            (_, "fields_get") => FIELDS.iter().map(|name| (*name, json!({}))).collect(),
            (_, "has_access") => json!(true),
            ("res.users", "read") => json!([{ "id": 7, "login": super::odoo::LOGIN }]),
            ("res.users.apikeys", _) => json!([]),
            ("sicantik.permit", "search_count") => json!(tables.permits.len()),
            ("sicantik.permit", "search_read") => page(&tables.permits, kwargs),
            ("sicantik.permit", "write") => {
                let date = kwargs["vals"]["expiry_date"].as_str().expect("a date").to_owned();
                let ids = kwargs["ids"].as_array().expect("ids").iter().filter_map(Value::as_i64);
                tables.dates.extend(ids.map(|id| (id, date.clone())));
                json!(true)
            }
            ("sicantik.connector", "search_read" | "read") => json!([tables.connector]),
            ("sicantik.connector", "write") => {
                tables.statistics.push(kwargs["vals"].clone());
                json!(true)
            }
            _ => return None,
        };
        Some(Answer::Value(value))
    }
}

/// The page of permits that a question by id asks for, as Odoo prints it.
pub(crate) fn page(permits: &[Permit], kwargs: &Value) -> Value {
    let domain = kwargs["domain"].as_array().cloned().unwrap_or_default();
    let after = domain.last().and_then(|term| term[2].as_i64()).expect("a domain by id");
    let limit = kwargs["limit"].as_u64().expect("a limit") as usize;
    let rows = permits.iter().filter(|permit| permit.id > after).take(limit);
    rows.map(|permit| {
        json!({
            "id": permit.id, "permit_number": permit.permit_number,
            "registration_id": permit.registration_id, "expiry_date": false,
        })
    })
    .collect()
}
