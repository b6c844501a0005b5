//! Keeps an Odoo database's permits in sync with SICANTIK, a licensing office's small server.
//!
//! # Layout
//!
//! Imports only point down this list; `tests/it/layout.rs` checks it.
//!
//! - [`cli`]: the commands, a file each; [`telemetry`]: the log.
//! - [`service`]: the sidecar as a server: its JSON-RPC API, and the worker that claims runs.
//! - [`config`]: settings, a file a section, each setting described once.
//! - [`sync`]: the work itself, in a pipeline between the two sides; it knows neither HTTP nor RPC.
//! - [`odoo`]: all that knows Odoo: both of its external APIs behind one client, and the models.
//! - [`sicantik`]: all that knows SICANTIK: its client, what its answers mean, and a simulator.
//! - [`outbound`]: what every outside service needs: the gate that holds the request rate, retries,
//!   time-outs, TLS; [`http_server`]: what the service and the simulator listen with.

pub mod cli;
pub mod config;
pub mod http_server;
pub mod odoo;
pub mod outbound;
pub mod service;
pub mod sicantik;
pub mod sync;
pub mod telemetry;
