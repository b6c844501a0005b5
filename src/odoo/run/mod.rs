//! The protocol of the ledger `sicantik.sync.run`: every run is a record there, and a worker holds
//! the run it works on by a lease.
//!
//! Each call may be sent again when its answer was lost: `start` recognises its worker and
//! `record` its batch number; `finish`, `cancel`, `release` and `abandon` find the run as they
//! want it. A claim whose answer was lost leaves a run that nobody works on until its lease is
//! over; then it is claimed again.
//!
//! - `kind`, `trigger`, `state`: the words of a run, and `label` for those that a newer addon has.
//! - `reply`: what Odoo answers to the worker that holds a run.
//! - `start`, `claim`, `record`, `listing`, `end`: a run from its beginning to its end.
//! - `history`: the runs there have been.

mod claim;
mod end;
mod history;
mod kind;
mod label;
mod listing;
mod record;
mod reply;
mod start;
mod state;
mod trigger;

pub use claim::{Claim, OutcomeCounts, claim};
pub use end::{Checked, EndCode, Ending, abandon, cancel, check, finish, release};
pub use history::{FailedPermit, RunRecord, failures, list, read, working_on};
pub use kind::{Kind, UnknownKind};
pub use label::Label;
pub use listing::{
    ListedPermit, ListingProgress, RecordedListing, Remaining, Unlisted, listing_done,
    record_listing, remaining,
};
pub use record::{OutcomeRow, ProgressReport, Recorded, record};
pub use reply::{Done, Reply};
pub use start::{Lease, Plan, Selection, Started, plan, start};
pub use state::State;
pub use trigger::Trigger;
