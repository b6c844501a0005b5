//! The work itself: which permits to ask about, what an answer means, and how answers get back to
//! Odoo. It knows neither HTTP nor RPC.
//!
//! # Layout
//!
//! - `outcome`, `end`, `progress`: the words of the domain.
//! - `heartbeat`: how often Odoo hears from a run, and what happens when it does not.
//! - `server`: what is needed of a licensing server.
//! - `expiry`: dates, permit by permit or from the listing; [`listing`]: permits themselves.
//! - `claimed_run`: a run of the ledger, from its claim to its end.

mod claimed_run;
mod end;
mod expiry;
pub mod heartbeat;
pub mod listing;
mod outcome;
mod progress;
mod server;

pub use claimed_run::{ClaimedRun, DEFAULT_PAGE_SIZE, worker_name};
pub use end::{Ended, Halt};
pub use expiry::{DrySink, Due, LedgerSink, ListingUse, PlainSink, Sink, Work, ask, run};
pub use outcome::{Counts, Outcome, PermitOutcome, Reason};
pub use progress::{Progress, Reporter};
pub use server::LicensingServer;
