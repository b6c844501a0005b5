//! The one door out: what every outside service needs, whichever it is.
//!
//! A request passes the [`Gate`] of its server, of which the [`Registry`] hands out one per server.
//! The [`Slot`] that it gets there is settled with what became of the request. [`http`] builds the
//! client and reads the answer, and a [`retry::Policy`] says when a request is sent again.

mod departure;
mod gate;
pub mod headers;
mod health;
mod host;
pub mod http;
mod lease;
mod outcome;
mod pace;
mod queue;
mod registry;
pub mod retry;
pub mod tls;

pub use departure::Departure;
pub use gate::{Gate, Limits, Slot, Traffic};
pub use health::ServerHealth;
pub use host::{is_loopback, server, shown_url};
pub use lease::{Lease, Moment};
pub use outcome::RequestOutcome;
pub use registry::Registry;
