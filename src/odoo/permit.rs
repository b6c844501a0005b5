//! Permits: read in pages, and in plain mode written grouped by date.

mod listed;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, Domain, Error, Schema, value};

pub use listed::{Registered, RegisteredPages, UnregisteredPages};

/// The model's technical name.
pub const MODEL: &str = "sicantik.permit";

/// Permits read in one call: at 500 the call's own cost is a tenth of the time it takes.
pub const PAGE_SIZE: usize = 500;

const FIELDS: [&str; 4] = ["id", "permit_number", "registration_id", "expiry_date"];

/// What the work needs to know of a permit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Permit {
    /// Its id in Odoo.
    pub id: i64,
    /// The number as printed (`no_surat` in SICANTIK): free text, not unique. Empty if unset.
    #[serde(default, deserialize_with = "value::text")]
    pub permit_number: String,
    /// SICANTIK's `pendaftaran_id`, the identity of a permit, where Odoo knows it.
    #[serde(default, deserialize_with = "value::some_text")]
    pub registration_id: Option<String>,
    /// The expiry date it has already.
    #[serde(default, deserialize_with = "value::falsy")]
    pub expiry_date: Option<NaiveDate>,
}

/// Permits of some domains, in order, a page at a time; never more than a page is held.
///
/// Pages go by `id >`, since an offset would skip permits that leave the domain while it is read,
/// which is what the work makes them do.
#[derive(Debug)]
pub struct Pages {
    client: Client,
    fields: Vec<&'static str>,
    domains: std::vec::IntoIter<Domain>,
    current: Option<Domain>,
    after: i64,
    page_size: usize,
    left: Option<usize>,
}

impl Pages {
    /// Permits of `domains`, at most `limit` in all.
    pub fn new(
        client: &Client,
        schema: &Schema,
        domains: Vec<Domain>,
        limit: Option<usize>,
    ) -> Self {
        let mut domains = domains.into_iter();
        Self {
            client: client.clone(),
            fields: schema.of_permit(&FIELDS),
            current: domains.next(),
            domains,
            after: 0,
            page_size: PAGE_SIZE,
            left: limit,
        }
    }

    /// Pages of another size than [`PAGE_SIZE`].
    #[must_use]
    pub fn with_page_size(mut self, page_size: usize) -> Self {
        self.page_size = page_size.max(1);
        self
    }

    /// The next page, never empty, or `None` at the end. After an error the same page is asked for
    /// again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Permit>>, Error> {
        while let Some(domain) = &self.current {
            let want = self.left.map_or(self.page_size, |left| left.min(self.page_size));
            if want == 0 {
                break;
            }
            // Terms side by side are joined by "and", whatever operators stand before them.
            let mut terms = domain.clone();
            terms.push(json!(["id", ">", self.after]));
            let page: Vec<Permit> = self
                .client
                .call_idempotent(
                    MODEL,
                    "search_read",
                    json!({
                        "domain": terms, "fields": self.fields, "limit": want, "order": "id",
                    }),
                )
                .await?;
            if let Some(last) = page.last() {
                self.after = last.id;
            }
            if page.len() < want {
                self.current = self.domains.next();
                self.after = 0;
            }
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(page.len());
            }
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}

/// How many permits the domains name together.
pub async fn count(client: &Client, domains: &[Domain]) -> Result<u64, Error> {
    let mut total = 0;
    for domain in domains {
        let found: u64 =
            client.call_idempotent(MODEL, "search_count", json!({ "domain": domain })).await?;
        total += found;
    }
    Ok(total)
}

/// Plain mode: which permits to ask about. In ledger mode Odoo says so itself (`plan`, `claim`).
///
/// The second domain, for dates last looked at more than `refresh_older_than` days ago, is there
/// only where the model remembers when that was.
pub fn plain_domains(
    schema: &Schema,
    connector_id: i64,
    refresh_older_than: Option<u32>,
    now: DateTime<Utc>,
) -> Vec<Domain> {
    let mut common: Domain =
        vec![json!(["status", "=", "active"]), json!(["permit_number", "not in", [false, ""]])];
    if schema.permit_has("connector_id") {
        common.push(json!(["connector_id", "=", connector_id]));
    }
    let mut undated = common.clone();
    undated.push(json!(["expiry_date", "=", false]));
    let mut domains = vec![undated];
    let remembers =
        ["expiry_checked_at", "last_sync_date"].into_iter().find(|field| schema.permit_has(field));
    if let (Some(days), Some(field)) = (refresh_older_than, remembers) {
        let before = now - chrono::Duration::days(i64::from(days));
        let mut dated = common;
        dated.push(json!(["expiry_date", "!=", false]));
        dated.extend([
            json!("|"),
            json!([field, "=", false]),
            json!([field, "<", value::datetime(before)]),
        ]);
        domains.push(dated);
    }
    domains
}

/// What became of a group of writes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The permits that have their date now.
    pub written: Vec<i64>,
    /// Those Odoo refused, with what it said.
    pub rejected: Vec<(i64, String)>,
}

/// Plain mode: writes dates, one call per distinct date. Of a group that Odoo refuses, each permit
/// is written alone, so that one bad permit does not keep the others from their date.
///
/// Writing the same twice does no harm, so a call whose answer was lost is sent again.
///
/// # Errors
/// Whatever is no matter of a single permit, and that the user may write none of several; what was
/// written before it stays written.
pub async fn write_dates(
    client: &Client,
    schema: &Schema,
    dates: &[(i64, NaiveDate)],
    now: DateTime<Utc>,
) -> Result<Written, Error> {
    let mut groups: BTreeMap<NaiveDate, Vec<i64>> = BTreeMap::new();
    for (id, date) in dates {
        groups.entry(*date).or_default().push(*id);
    }
    let mut result = Written::default();
    let mut denials = Vec::new();
    for (date, ids) in groups {
        let values = values(schema, date, now);
        if ids.len() > 1 {
            match write(client, &ids, &values).await {
                Ok(()) => {
                    result.written.extend(ids);
                    continue;
                }
                Err(error) if may_be_of_one(&error) => {}
                Err(error) => return Err(error),
            }
        }
        for id in ids {
            match write(client, &[id], &values).await {
                Ok(()) => result.written.push(id),
                Err(error) if may_be_of_one(&error) => {
                    result.rejected.push((id, refusal(&error)));
                    denials.extend(matches!(error, Error::AccessError { .. }).then_some(error));
                }
                Err(error) => return Err(error),
            }
        }
    }
    match denials.pop() {
        // Then it is the user's right that is missing, and no other permit will fare better.
        Some(denied) if dates.len() > 1 && denials.len() + 1 == dates.len() => Err(denied),
        _ => Ok(result),
    }
}

/// Whether an error can be about one record: a rule of its own, or another module's code that
/// stumbles over it, which raises whatever Python does.
fn may_be_of_one(error: &Error) -> bool {
    matches!(
        error,
        Error::Rejected { .. }
            | Error::Missing { .. }
            | Error::AccessError { .. }
            | Error::BadField { .. }
            | Error::BadArguments { .. }
            | Error::UnknownMethod { .. }
            | Error::Server { .. }
    )
}

/// What Odoo said of one permit.
fn refusal(error: &Error) -> String {
    match error {
        Error::Rejected { sentence }
        | Error::Missing { sentence }
        | Error::AccessError { sentence, .. } => sentence.clone(),
        // Every model takes a write: it is not the addon's age that the sentences of these would blame.
        Error::BadField { detail, .. } | Error::BadArguments { detail, .. } => format!("{detail}."),
        Error::UnknownMethod { .. } => "Another module failed. Odoo's log says more.".to_owned(),
        error => error.to_string(),
    }
}

async fn write(client: &Client, ids: &[i64], values: &Value) -> Result<(), Error> {
    let _: bool =
        client.call_idempotent(MODEL, "write", json!({ "ids": ids, "vals": values })).await?;
    Ok(())
}

fn values(schema: &Schema, date: NaiveDate, now: DateTime<Utc>) -> Value {
    let mut values = json!({ "expiry_date": date });
    if schema.permit_has("last_sync_date") {
        values["last_sync_date"] = json!(value::datetime(now));
    }
    values
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::super::Mode;
    use super::*;

    fn domains(permit: &[&str], refresh: Option<u32>) -> Value {
        let schema = Schema::of(Mode::Plain, permit, &[]);
        let now = Utc.with_ymd_and_hms(2025, 11, 23, 7, 0, 0).single().expect("a moment");
        json!(plain_domains(&schema, 3, refresh, now))
    }

    #[test]
    fn the_least_fields_give_the_least_domain() {
        let expected = json!([[
            ["status", "=", "active"],
            ["permit_number", "not in", [false, ""]],
            ["expiry_date", "=", false]
        ]]);
        assert_eq!(domains(&[], None), expected);
        assert_eq!(domains(&[], Some(30)), expected, "nothing remembers when it was checked");
    }

    #[test]
    fn the_connector_and_the_age_of_a_date_count_where_there_are_fields_for_them() {
        let expected = json!([
            [
                ["status", "=", "active"],
                ["permit_number", "not in", [false, ""]],
                ["connector_id", "=", 3],
                ["expiry_date", "=", false]
            ],
            [
                ["status", "=", "active"],
                ["permit_number", "not in", [false, ""]],
                ["connector_id", "=", 3],
                ["expiry_date", "!=", false],
                "|",
                ["last_sync_date", "=", false],
                ["last_sync_date", "<", "2025-10-24 07:00:00"]
            ]
        ]);
        assert_eq!(domains(&["connector_id", "last_sync_date"], Some(30)), expected);
    }
}
