//! Recording what the listing says.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::reply::call;
use super::{Done, Reply};
use crate::odoo::{Client, Domain, Error};

/// A permit as the listing has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ListedPermit {
    /// The server's identity of it.
    pub registration_id: String,
    /// The number as printed; may be empty.
    pub permit_number: String,
    /// Who applied.
    pub applicant_name: String,
    /// What for.
    pub permit_type_name: String,
    /// When the application was received, where the listing says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_date: Option<NaiveDate>,
    /// When it expires, where the listing says so; an inner `None` says that it has no date.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "date_or_false")]
    pub expiry_date: Option<Option<NaiveDate>>,
    /// A different date that another row of the same registration has, which may have been sent
    /// long before; an inner `None` where that row has none. Nobody can tell which of the two is
    /// right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_expiry_date: Option<Option<NaiveDate>>,
    /// Whether a row of the registration has been sent before in this attempt: Odoo counts each
    /// permit once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// Odoo's word for an unset date is `false`.
fn date_or_false<S: Serializer>(
    date: &Option<Option<NaiveDate>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match date.flatten() {
        Some(date) => date.serialize(serializer),
        None => serializer.serialize_bool(false),
    }
}

/// The progress of reading the listing; all numbers are those of the whole run so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ListingProgress {
    /// Requests to the server.
    pub requests: u64,
    /// Of these, retries.
    pub retries: u64,
    /// Pages read.
    pub pages: u64,
    /// Distinct registrations seen.
    pub listed: u64,
    /// Rows left out because they have no applicant.
    pub junk: u64,
    /// Rows that could not be read at all.
    pub skipped: u64,
    /// Distinct registrations whose applicant is not known.
    pub nameless: u64,
    /// Whether the rows carry expiry dates, once one has been seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgraded: Option<bool>,
}

/// What came of a batch of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RecordedListing {
    /// Rows that Odoo refused.
    pub rejected: u64,
    /// Permits created.
    pub created: u64,
    /// Permits changed.
    pub updated: u64,
    /// Permits that were as listed already.
    pub unchanged: u64,
    /// Permits that an earlier row had counted as unchanged, and that count otherwise now.
    pub recounted: u64,
    /// Of all these, permits that got a date now.
    pub dated: u64,
}

/// Records rows of the listing: permits created and changed, counters and lease in one transaction.
/// `batch` counts as in [`record`](super::record()).
///
/// # Errors
/// What Odoo answers. Sent again, the batch is not applied twice.
pub async fn record_listing(
    client: &Client,
    run_id: i64,
    worker: &str,
    batch: u64,
    rows: &[ListedPermit],
    progress: ListingProgress,
) -> Result<Reply<RecordedListing>, Error> {
    let arguments = json!({ "batch": batch, "rows": rows, "progress": progress });
    call(client, "record_listing", run_id, worker, arguments).await
}

/// How Odoo's permits differ from a listing that was read completely.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unlisted {
    /// Ids of permits that the listing no longer has.
    pub missing: Vec<i64>,
    /// Ids of permits that it has again.
    pub again: Vec<i64>,
}

/// Says that the listing has been read, whether completely, and what is not in it.
///
/// # Errors
/// What Odoo answers. Sent again, it changes nothing more.
pub async fn listing_done(
    client: &Client,
    run_id: i64,
    worker: &str,
    complete: bool,
    unlisted: &Unlisted,
) -> Result<Reply<Done>, Error> {
    let arguments = json!({
        "complete": complete, "listed_ids_missing": unlisted.missing,
        "listed_again": unlisted.again,
    });
    call(client, "listing_done", run_id, worker, arguments).await
}

/// The permits that a run has still to ask about one by one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Remaining {
    /// The permits.
    pub domains: Vec<Domain>,
    /// How many they are.
    pub total: u64,
    /// At most so many of them; 0 for all.
    pub limit: u32,
}

/// The permits that a run of the kind [`All`](super::Kind::All) has still to ask about, now that
/// the listing has been read.
///
/// # Errors
/// What Odoo answers.
pub async fn remaining(
    client: &Client,
    run_id: i64,
    worker: &str,
) -> Result<Reply<Remaining>, Error> {
    call(client, "remaining", run_id, worker, json!({})).await
}
