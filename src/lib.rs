//! Keeps the permits of an Odoo database true to SICANTIK, a licensing office's small server.
//!
//! # Layout
//!
//! - [`sicantik`]: all that knows SICANTIK: its client, what its answers mean, the gate that holds
//!   its request rate, and a simulator of it.
//! - [`odoo`]: all that knows Odoo: both of its external APIs behind one client, and the models.
//! - [`sync`]: the work itself, in a pipeline between the two.
//! - [`service`]: the sidecar as a server: its JSON-RPC API, and the worker that claims runs.
//! - [`cli`]: the commands; [`config`]: settings; [`telemetry`]: the log.
//! - [`tls`]: the one place that chooses the cryptography of every HTTPS connection.

pub mod cli;
pub mod config;
pub mod http_server;
pub mod odoo;
pub mod service;
pub mod sicantik;
pub mod sync;
pub mod telemetry;
pub mod tls;
