//! Step two: the expiry dates, in a pipeline.
//!
//! Permits come in pages, as many are asked about at once as the gate lets through, and outcomes
//! leave in batches while the next are being fetched. Only a few batches are held at a time,
//! whatever the number of permits. Where the listing carries the dates, they are taken from there
//! instead.
//!
//! - `due`: which permits; `pipeline`: the whole; `fetcher`: asks permit by permit; `ask`: one
//!   permit.
//! - `from_listing`: the dates of the listing.
//! - `batch`, `sink`: what is stored, when and where.

mod ask;
mod batch;
mod due;
mod fetcher;
mod from_listing;
mod pipeline;
mod sink;

pub use ask::ask;
pub use due::Due;
pub use pipeline::{ListingUse, Work, run};
pub use sink::{DrySink, LedgerSink, PlainSink, Sink};
