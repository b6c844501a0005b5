//! All that knows SICANTIK, the server of a licensing office: its endpoints, and what its answers
//! mean. It knows nothing of Odoo.

mod applicants;
mod body;
mod client;
mod date;
mod decode;
mod error;
mod form;
mod json_pages;
mod permit_expiry;
mod retry;
mod row;
pub mod simulator;
mod transport;

pub use client::{Client, Pong};
pub use date::BadDate;
pub use decode::{Decoded, Format, decode};
pub use error::{Error, Said, Unreadable};
pub use permit_expiry::PermitExpiry;
pub use row::{Mismatch, NameStatus, Row, own_expiry};
