//! What came of reading the listing.

use std::time::Duration;

use crate::odoo::run::{ListingProgress, RecordedListing};

/// What came of reading the listing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Imported {
    /// Pages, rows, requests.
    pub listing: ListingProgress,
    /// Permits created, changed, and left as they were.
    pub stored: RecordedListing,
    /// Permits of Odoo that have left the listing since it was last read completely; unknown
    /// unless it was read completely now.
    pub unlisted: Option<u64>,
    /// Whether nothing can have been missed.
    pub complete: bool,
    /// Why it could not be read to its end, where asking again does not help.
    pub remark: Option<Remark>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a listing cannot be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// Every page is the first one.
    #[error(
        "SICANTIK ignores the offset: whichever page of its listing is asked for, it answers with \
         the first. Only the permits on that page were read. Tell its operators."
    )]
    OffsetIgnored,
    /// The same rows come again and again.
    #[error(
        "SICANTIK's listing has no end: its pages repeat rows from before. Permits may be missing. \
         Tell its operators."
    )]
    NoEnd,
}
