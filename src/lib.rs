//! Keeps the permits of an Odoo database true to SICANTIK, a licensing office's small server.
//!
//! # Layout
//!
//! - [`sicantik`]: all that knows SICANTIK: its client, what its answers mean, and a simulator.
//! - [`odoo`]: all that knows Odoo: both of its external APIs behind one client, and the models.
//! - [`outbound`]: the one door out: what every outside service needs, from the gate that holds the
//!   request rate to time-outs, TLS and retries.
//! - [`sync`]: the work itself, in a pipeline between the two.
//! - [`service`]: the sidecar as a server: its JSON-RPC API, and the worker that claims runs.
//! - [`cli`]: the commands; [`config`]: settings; [`telemetry`]: the log.

pub mod cli;
pub mod config;
pub mod http_server;
pub mod odoo;
pub mod outbound;
pub mod service;
pub mod sicantik;
pub mod sync;
pub mod telemetry;
