//! What several tests share.

mod answer;
mod http;
pub(crate) mod ledger;
pub(crate) mod listing;
pub(crate) mod odoo;
pub(crate) mod pipeline;
pub(crate) mod plain;
pub(crate) mod program;
pub(crate) mod service;
pub(crate) mod sicantik;
pub(crate) mod tls;
pub(crate) mod web;

use std::time::Duration;

/// Ends a test that hangs, where it hangs.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("an answer within 10 s")
}
