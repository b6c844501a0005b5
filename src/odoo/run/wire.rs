//! What goes to the ledger and comes back, as the addon writes it.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize, Serializer};

use crate::odoo::{Connector, Domain, value};

/// Which permits a run is to ask about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// At most so many.
    pub max_permits: Option<u32>,
    /// Those too that were asked lately and are not due again yet.
    pub include_not_due: bool,
    /// Those too whose date was last checked more than so many days ago.
    pub refresh_older_than: Option<u32>,
    /// Just these, whatever else is said.
    pub permit_ids: Option<Vec<i64>>,
}

/// What `start` answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Started {
    /// The run made, or the one that is there already.
    pub run_id: i64,
    /// Whether it was made now.
    pub created: bool,
    /// `queued` or `running`.
    #[serde(deserialize_with = "value::text")]
    pub state: String,
    /// What asked for it: `button`, `cron`, `cli`, `rpc`.
    #[serde(default, deserialize_with = "value::text")]
    pub trigger: String,
    /// Who works on it.
    #[serde(default, deserialize_with = "value::falsy")]
    pub worker: Option<String>,
    /// The name of the user who asked for it.
    #[serde(default, deserialize_with = "value::text")]
    pub requested_by: String,
    /// The work itself, if it is the caller's.
    #[serde(default, deserialize_with = "value::falsy")]
    pub run: Option<Payload>,
}

/// A run that the caller holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Payload {
    /// Its id.
    pub run_id: i64,
    /// `permits`, `expiry`, `all` or `check`.
    #[serde(deserialize_with = "value::text")]
    pub kind: String,
    /// What asked for it.
    #[serde(default, deserialize_with = "value::text")]
    pub trigger: String,
    /// How often it has been claimed.
    #[serde(default, deserialize_with = "value::count")]
    pub attempt: u32,
    /// At most so many permits in all attempts together.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub max_permits: Option<u32>,
    /// Whether those not due are in it.
    #[serde(default, deserialize_with = "value::truth")]
    pub include_not_due: bool,
    /// Days after which a date is checked again.
    #[serde(default, deserialize_with = "value::nonzero")]
    pub refresh_older_than: Option<u32>,
    /// How many permits it has in all.
    #[serde(default)]
    pub total: u64,
    /// The last batch applied: the next is one more.
    #[serde(default)]
    pub last_batch: u64,
    /// Permits recorded so far, in all attempts.
    #[serde(default)]
    pub answered: u64,
    /// The same by outcome.
    #[serde(default)]
    pub counts: Counts,
    /// When its first attempt began.
    #[serde(default, deserialize_with = "value::moment")]
    pub started_at: Option<DateTime<Utc>>,
    /// Whether an earlier attempt has read the listing to its end.
    #[serde(default, deserialize_with = "value::truth")]
    pub listing_done: bool,
    /// The permits it has still to ask about.
    pub domains: Vec<Domain>,
    /// Whom to ask, and how fast.
    pub connector: Connector,
}

/// Permits by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Counts {
    /// With a date.
    pub found: u64,
    /// Whose row has none.
    pub no_date: u64,
    /// That SICANTIK does not know.
    pub not_registered: u64,
    /// That could not be settled.
    pub failed: u64,
}

/// What became of one permit, as `record` takes it.
///
/// It says what was asked about: permits are read some time before they are asked for, and the answer about a number that
/// has been corrected meanwhile says nothing about the permit. Odoo leaves it aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The permit's id in Odoo.
    pub permit_id: i64,
    /// The number that was asked for.
    pub permit_number: String,
    /// The registration whose row was looked for.
    pub registration_id: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What asking about one permit brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A date, from the permit's own row.
    Found {
        /// The date.
        expiry_date: NaiveDate,
    },
    /// The row has none.
    NoDate,
    /// SICANTIK does not find it.
    NotRegistered,
    /// It could not be settled.
    Failed {
        /// Why.
        reason: Reason,
        /// What the server said, short.
        detail: String,
    },
}

/// Why a permit could not be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No answer in time.
    Timeout,
    /// No connection, or an error of the server.
    Unavailable,
    /// An answer nobody can read.
    Unreadable,
    /// Rows, none of which is this permit's.
    OtherRegistration,
    /// A number that cannot be asked for.
    InvalidNumber,
    /// Odoo refused to write it; given by Odoo, or by the sidecar in plain mode.
    RejectedByOdoo,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Unreadable => "unreadable",
            Self::OtherRegistration => "other_registration",
            Self::InvalidNumber => "invalid_number",
            Self::RejectedByOdoo => "rejected_by_odoo",
        })
    }
}

/// How the run goes, for those who watch it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Permits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// Requests to SICANTIK so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// How many of them were repetitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u64>,
    /// Whether the listing's dates were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgraded: Option<bool>,
}

/// A permit as the listing has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ListedPermit {
    /// SICANTIK's identity of it.
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
    /// When it expires, where the listing says so; an inner `None` says that there is no date.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "date_or_false")]
    pub expiry_date: Option<Option<NaiveDate>>,
    /// Another date that another row of the same registration names, which may have been sent long before; an inner
    /// `None` where it names none. Nobody can tell which of the two is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_expiry_date: Option<Option<NaiveDate>>,
    /// Whether a row of the registration has been sent before by this attempt: Odoo counts each permit once.
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

/// How the reading of the listing goes; all numbers are those of the whole run so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ListingProgress {
    /// Requests to SICANTIK.
    pub requests: u64,
    /// How many of them were repetitions.
    pub retries: u64,
    /// Pages read.
    pub pages: u64,
    /// Distinct registrations seen.
    pub listed: u64,
    /// Rows left out because they have no applicant.
    pub junk: u64,
    /// Rows that could not be read at all.
    pub skipped: u64,
    /// Whether the rows carry expiry dates, once one has been seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgraded: Option<bool>,
}

/// What `record_listing` answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RecordedListing {
    /// What to do next.
    pub answer: Next,
    /// Rows that Odoo refused.
    pub rejected: u64,
    /// Permits made.
    pub created: u64,
    /// Permits of which something was changed.
    pub updated: u64,
    /// Permits that were as listed already.
    pub unchanged: u64,
    /// Permits that were counted so before, by another row of theirs, and are counted otherwise now.
    pub recounted: u64,
    /// Of these all, permits that got a date now.
    pub dated: u64,
}

/// What to do after a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Next {
    /// Go on.
    #[default]
    Continue,
    /// Somebody pressed Stop: finish as cancelled.
    Stop,
    /// Another holds the run now: nothing was applied, and nothing more will be.
    Lost,
}

/// What `record` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Recorded {
    /// What to do next.
    pub answer: Next,
    /// Whether this batch was applied by this very call.
    #[serde(default, deserialize_with = "value::truth")]
    pub applied: bool,
    /// How many of its dates Odoo refused to store; they are recorded as failed.
    #[serde(default)]
    pub rejected: u64,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Every permit was asked.
    Done,
    /// It could not go on.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// Why a run ended, as far as Odoo has a sentence for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Somebody stopped it in Odoo.
    Cancelled,
    /// The sidecar was stopped.
    Interrupted,
    /// SICANTIK did not answer at all.
    Away,
    /// SICANTIK answered nobody any more.
    SicantikStopped,
    /// Odoo could not be read or written.
    Odoo,
}

/// What there would be to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Plan {
    /// The permits.
    pub domains: Vec<Domain>,
    /// How many they are.
    pub total: u64,
    /// At most so many of them; 0 for all. Only `remaining` says so.
    #[serde(default)]
    pub limit: u32,
    /// How long they take at the rate last measured on the connector, in seconds.
    #[serde(default)]
    pub estimated_seconds: f64,
    /// Whether the caller may take runs and report answers, too.
    #[serde(default = "yes")]
    pub may_work: bool,
}

/// An addon that does not say it has always let those work whom it let plan.
fn yes() -> bool {
    true
}
