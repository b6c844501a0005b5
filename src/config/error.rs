//! A setting that cannot be used.

/// A setting that cannot be used, in one sentence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub(super) String);
