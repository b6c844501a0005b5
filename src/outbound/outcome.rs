//! What became of a request, as the gate needs to know it.

use std::time::Duration;

/// What became of a request that passed the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// A usable answer.
    Answered,
    /// A redirect on the same server: neither a success nor a failure.
    Redirected,
    /// An unusable answer: a maintenance page, nothing at all, a refusal.
    Unusable,
    /// The server is overloaded or failing: 408, 429 or 5xx.
    Busy {
        /// How long the server asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// No complete answer within the time-out.
    TimedOut,
    /// No connection, or one that broke.
    Disconnected,
}
