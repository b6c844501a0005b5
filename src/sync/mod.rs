//! The work itself: which permits to ask for, what an answer means, and how answers get back to Odoo.
//! It knows neither HTTP nor RPC.

mod ask;
mod batch;
mod expiry;
mod ledger;
mod progress;
mod sink;

pub use ask::ask;
pub use expiry::{Ended, Halt, Work, run};
pub use ledger::{Held, permits, worker_name};
pub use progress::{Progress, Reporter, Tally};
pub use sink::{DrySink, LedgerSink, PlainSink, Recorded, Sink};
