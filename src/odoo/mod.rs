//! All that knows Odoo.
//!
//! [`Client`] speaks `/jsonrpc` (Odoo 14 and later) or `/json/2` (19 and later), and its callers
//! cannot tell which. The modules around it are what the sidecar asks of Odoo: [`permit`],
//! [`connector`], the ledger of runs in [`run`], and in [`schema`] which of these there are.

mod apikey;
mod call;
mod client;
mod connect;
pub mod connector;
mod error;
mod fault;
mod json2;
mod jsonrpc;
pub mod model;
pub mod pages;
pub mod permit;
pub mod run;
pub mod schema;
mod settings;
mod setup;
mod transport;
mod value;
mod version;

pub use apikey::{ApiKey, key_owner, own_keys};
pub use client::Client;
pub use connect::Remark;
pub use connector::Connector;
pub use error::Error;
pub use permit::Permit;
pub use schema::{Mode, Schema};
pub use settings::{Protocol, Settings};
pub use setup::{ScheduledAction, Setup, Token, setup};
pub use value::Domain;
pub use version::Version;
