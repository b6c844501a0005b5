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
    /// How long it took.
    pub elapsed: Duration,
}
