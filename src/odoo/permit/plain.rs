//! Permits without the ledger: which to ask about, and writing their dates.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::odoo::{Client, Domain, Error, Schema, model, value};

/// Which permits to ask about. With the ledger Odoo says so itself (`plan`, `claim`).
///
/// A second domain, of dates last checked more than `refresh_older_than` days ago, is there only
/// where the model has a field for when that was.
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
    let checked_at =
        ["expiry_checked_at", "last_sync_date"].into_iter().find(|field| schema.permit_has(field));
    if let (Some(days), Some(field)) = (refresh_older_than, checked_at) {
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

/// Writes dates, one call per distinct date. A group that Odoo refuses is written permit by permit,
/// so that one bad permit does not keep the others from their date.
///
/// Writing the same twice does no harm, so a call whose answer was lost is sent again.
///
/// # Errors
/// Any error that is not about a single permit, and one saying that the user may write none of
/// several. What was written before it stays written.
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
        // All were refused: the user lacks the right, and no other permit will fare better.
        Some(denied) if dates.len() > 1 && denials.len() + 1 == dates.len() => Err(denied),
        _ => Ok(result),
    }
}

/// Whether an error can be about one record: a rule, or another module's code that fails on it,
/// which may raise any exception.
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
        // Every model takes a write: the generic advice ("update the addon") would mislead here.
        Error::BadField { detail, .. } | Error::BadArguments { detail, .. } => format!("{detail}."),
        Error::UnknownMethod { .. } => "Another module failed. Odoo's log says more.".to_owned(),
        error => error.to_string(),
    }
}

async fn write(client: &Client, ids: &[i64], values: &Value) -> Result<(), Error> {
    let kwargs = json!({ "ids": ids, "vals": values });
    let _: bool = client.call_idempotent(model::PERMIT, "write", kwargs).await?;
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

    use super::*;
    use crate::odoo::Mode;

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
        assert_eq!(domains(&[], Some(30)), expected, "no field says when it was checked");
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
