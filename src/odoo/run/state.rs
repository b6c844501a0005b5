//! Where a run stands.

use serde::Serialize;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display, strum::EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum State {
    /// It waits for a worker.
    Queued,
    /// A worker holds it.
    Running,
    /// All of it was done.
    Done,
    /// It could not go on.
    Failed,
    /// It was stopped.
    Cancelled,
}
