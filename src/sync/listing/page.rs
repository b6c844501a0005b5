//! One page of the listing.

use std::ops::Range;

use crate::sicantik::{Error, Row};
use crate::sync::server::LicensingServer;

/// A part of a page that failed is asked for once; the smallest, a single row, once more.
const TRIES_OF_A_PART: u32 = 1;
const TRIES_OF_A_ROW: u32 = 2;

/// After so many single rows in a row without an answer the rest of the page is given up: each of
/// them has taken two time-outs, and behind some offsets the server never answers.
const UNANSWERED_ROWS: u32 = 3;

/// The same for rows that are answered promptly, but unparsable.
const UNREADABLE_ROWS: u32 = 20;

/// A page as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRead {
    /// Its number in the sweep, from 0.
    pub index: u32,
    /// Where it begins, or where that part of it begins that was read later.
    pub offset: u32,
    /// Its rows, in the server's order.
    pub rows: Vec<Row>,
    /// Places in the listing that could not be read at all, in order.
    pub gaps: Vec<Range<u32>>,
    /// Whether it was read in parts, so that its rows need not be of one moment.
    pub in_parts: bool,
}

impl PageRead {
    /// Rows left out.
    #[must_use]
    pub fn skipped(&self) -> u32 {
        self.gaps.iter().map(|gap| gap.end - gap.start).sum()
    }

    /// The first place behind it.
    pub(super) fn stop(&self) -> u32 {
        self.offset.saturating_add(self.rows.len() as u32).saturating_add(self.skipped())
    }

    /// Its rows with their places in the listing.
    pub(super) fn placed(&self) -> impl Iterator<Item = (u32, &Row)> {
        let mut gaps = self.gaps.iter().peekable();
        let mut place = self.offset;
        self.rows.iter().map(move |row| {
            while let Some(gap) = gaps.next_if(|gap| gap.start <= place) {
                place = gap.end;
            }
            place += 1;
            (place - 1, row)
        })
    }

    /// A page of nothing but places that could not be read.
    pub(super) fn missing(index: u32, gap: Range<u32>) -> Self {
        Self { index, offset: gap.start, gaps: vec![gap], in_parts: true, ..Self::default() }
    }
}

/// What came of asking for a page.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) page: PageRead,
    /// Whether the server said that there are no rows where the page stops.
    pub(super) is_empty_behind: bool,
    /// Whether the rest of it was given up.
    pub(super) is_given_up: bool,
}

/// Reads up to `limit` rows from `offset` on. A page that cannot be had whole is read in halves,
/// and these in halves, down to single rows; a row that cannot be had alone is left out.
///
/// # Errors
///
/// An error that smaller pages do not avoid, and any error while the server is away.
pub(super) async fn read(
    server: &impl LicensingServer,
    offset: u32,
    limit: u32,
) -> Result<Reading, Error> {
    match server.page(limit, offset).await {
        Ok(rows) => {
            let is_empty_behind = rows.is_empty();
            let page = PageRead { offset, rows, ..PageRead::default() };
            Ok(Reading { page, is_empty_behind, is_given_up: false })
        }
        Err(error) if may_be_one_row(&error) => {
            check_presence(server, &error).await?;
            tracing::warn!(offset, limit, %error, "A page of the listing is read in smaller parts");
            parts(server, offset, limit).await
        }
        Err(error) => Err(error),
    }
}

/// Whether a smaller page may succeed: a large or slow page may not be answered, and a single bad
/// row spoils its whole page.
fn may_be_one_row(error: &Error) -> bool {
    error.is_transient() || error.is_about_size_or_row()
}

/// Bad page or dead server? One that sent a bad row is up.
async fn check_presence(server: &impl LicensingServer, error: &Error) -> Result<(), Error> {
    if error.is_transient() { server.probe().await } else { Ok(()) }
}

async fn parts(server: &impl LicensingServer, offset: u32, limit: u32) -> Result<Reading, Error> {
    let end = offset.saturating_add(limit);
    let mut reading = Reading::default();
    let page = &mut reading.page;
    (page.offset, page.in_parts) = (offset, true);
    let (mut unanswered, mut unreadable) = (0, 0);
    let mut ranges = Vec::new();
    split(offset..end, &mut ranges);
    while let Some(range) = ranges.pop() {
        let length = range.end - range.start;
        let tries = if length == 1 { TRIES_OF_A_ROW } else { TRIES_OF_A_PART };
        match server.page_with_tries(length, range.start, tries).await {
            Ok(rows) if rows.is_empty() => {
                reading.is_empty_behind = true;
                break;
            }
            Ok(rows) => {
                (unanswered, unreadable) = (0, 0);
                // A server that gives fewer rows than it was asked for is asked for the rest.
                let behind = range.start + (rows.len() as u32).min(length);
                page.rows.extend(rows.into_iter().take(length as usize));
                if behind < range.end {
                    ranges.push(behind..range.end);
                }
            }
            Err(error) if may_be_one_row(&error) && length == 1 => {
                check_presence(server, &error).await?;
                let offset = range.start;
                tracing::warn!(offset, %error, "A row of the listing cannot be read and is left out");
                if error.is_transient() {
                    unanswered += 1;
                } else {
                    unreadable += 1;
                }
                if unanswered == UNANSWERED_ROWS || unreadable == UNREADABLE_ROWS {
                    tracing::warn!(offset, end, "The rest of the page is left out");
                    page.gaps.push(range.start..end);
                    reading.is_given_up = true;
                    break;
                }
                page.gaps.push(range);
            }
            Err(error) if may_be_one_row(&error) => split(range, &mut ranges),
            Err(error) => return Err(error),
        }
    }
    Ok(reading)
}

/// Pushes the two halves of `range` onto `ranges`, the first on top.
fn split(range: Range<u32>, ranges: &mut Vec<Range<u32>>) {
    let middle = range.start + (range.end - range.start).div_ceil(2);
    if middle < range.end {
        ranges.push(middle..range.end);
    }
    ranges.push(range.start..middle);
}
