//! The one door out: what every outside service needs, whichever it is.
//!
//! Requests pass the [`Gate`] of their server, which holds the rate and what is in flight; the
//! [`Registry`] hands out one gate per server.

mod gate;
mod host;
mod registry;
pub mod tls;

pub use gate::{Gate, Limits, Slot, Traffic};
pub use host::{is_loopback, server, shown_url};
pub use registry::Registry;
