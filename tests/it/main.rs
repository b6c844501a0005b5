//! The sidecar against its neighbours, on loopback: no Odoo and no SICANTIK is needed.
//!
//! - `cli`: the program itself: its help, its exit codes, and what it shows of its settings.
//! - `cli_doctor`: what `doctor` says of the service, its token, its nights and its files.
//! - `cli_end`: how `sync` ends where Odoo does not let it do or store all: rights, statistics, the
//!   end of the run.
//! - `cli_work`: the program at work beside a fake Odoo: closed pipes, signals, proxies.
//! - `layout`: the shape of the sources: directions of imports, lengths of files.
//! - `odoo_connect`: where an Odoo is found, and which protocol is spoken, whatever is in front.
//! - `odoo_errors`: every row of the table of errors, over both protocols, as a typed error.
//! - `odoo_wire`: what goes over the wire, and what is sent again when an answer is lost.
//! - `odoo_models`: connectors, permits and the schema, as Odoo answers them.
//! - `odoo_ledger`: the ledger of runs: what is sent to it and what its answers become.
//! - `odoo_secrecy`: the API key is in no log, no error and no `Debug`.
//! - `outbound_tls`: servers whose TLS is not in order, and authorities of the settings.
//! - `service_door`: access to the service: authentication, what is told to whom, and clients that
//!   hog connections.
//! - `service_wire`: each method of the JSON-RPC API, as a snapshot.
//! - `service_work`: the service finds Odoo, claims runs, works on them and gives them back.
//! - `sicantik_client`: what is sent to SICANTIK, what is sent again, and what is not read.
//! - `sync_claimed_run`: a run of the ledger, from its claim to its end, also when it is taken
//!   over.
//! - `sync_expiry`: the pipeline: batches, back-pressure, and every way to end before its end.
//! - `sync_listing`: the listing, read whole although it moves, and no further than to its end.
//! - `sync_listing_endless`: a listing that never says that it is at its end.
//! - `sync_listing_odd`: the listing of a server that answers oddly: caps, stray answers, pages
//!   that never come.
//! - `sync_listing_odoo`: what goes to Odoo of it, when, and how it stops.
//! - `sicantik_odd`: answers in odd shapes, which are read as far as they can be.
//! - `sync_quirks`: every quirk of every deployment at once, in the dates and in the listing.
//! - `sync_truth`: the pipeline against the simulator's truth, with every quirk and every trouble.
//! - `support`: an Odoo (with or without a ledger) and a web server that answer what a test says,
//!   the simulator, the service, the program, and deadlines.

mod cli;
mod cli_doctor;
mod cli_end;
mod cli_work;
mod layout;
mod odoo_connect;
mod odoo_errors;
mod odoo_ledger;
mod odoo_models;
mod odoo_secrecy;
mod odoo_wire;
mod outbound_tls;
mod service_door;
mod service_wire;
mod service_work;
mod sicantik_client;
mod sicantik_odd;
mod support;
mod sync_claimed_run;
mod sync_expiry;
mod sync_listing;
mod sync_listing_endless;
mod sync_listing_odd;
mod sync_listing_odoo;
mod sync_quirks;
mod sync_truth;
