//! The work itself: which permits to ask for, what an answer means, and how answers get back to Odoo.
//! It knows neither HTTP nor RPC.

mod ask;
mod batch;
mod expiry;
mod ledger;
pub mod listing;
mod progress;
mod sink;

pub use ask::ask;
pub use expiry::{Ended, Halt, ListingUse, Work, run};
pub use ledger::{DEFAULT_PAGE_SIZE, Held, permits, worker_name};
pub use progress::{Progress, Reporter, Tally};
pub use sink::{DrySink, LedgerSink, PlainSink, Recorded, Sink};
