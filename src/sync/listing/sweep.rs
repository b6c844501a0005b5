//! All pages of the listing, once, several at a time.

use std::ops::RangeInclusive;

use futures::{StreamExt, stream};
use tokio::sync::{mpsc, watch};

use super::page::{self, PageRead};
use crate::sicantik::{Client, Error};

/// How the listing is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// Rows from one page's beginning to the next's.
    pub step: u32,
    /// Rows of the next page that are asked for with each.
    pub overlap: u32,
}

impl Sweep {
    /// Pages of `page_size` rows, a tenth of which overlap in addition, at least 5.
    #[must_use]
    pub fn of(page_size: u32) -> Self {
        let step = page_size.max(1);
        Self { step, overlap: (step / 10).max(5) }
    }

    /// Rows that are asked for at once.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.step + self.overlap
    }
}

/// Reads all pages from the front to the first that is past the end, and sends them on as they come, in any order; returns
/// that page's index. Pages behind `expected_end`, the index that an earlier sweep returned, are asked for only when the
/// listing turns out to be longer. Ends early, without an error, when nobody receives any more.
///
/// # Errors
///
/// The first [`Error`] that smaller pages do not help against.
pub async fn sweep(
    client: &Client,
    how: Sweep,
    expected_end: Option<u32>,
    pages: &mpsc::Sender<PageRead>,
) -> Result<u32, Error> {
    let mut first = 0;
    let mut last = expected_end.unwrap_or(u32::MAX);
    loop {
        let end = sweep_range(client, how, first..=last, pages).await?;
        if end <= last {
            return Ok(end);
        }
        // It has grown.
        first = last + 1;
        last = u32::MAX;
    }
}

/// As [`sweep`], only for the pages of `range`; where none is past the end, returns an index behind them.
async fn sweep_range(
    client: &Client,
    how: Sweep,
    range: RangeInclusive<u32>,
    pages: &mpsc::Sender<PageRead>,
) -> Result<u32, Error> {
    let (first, last) = (*range.start(), *range.end());
    // The lowest index of a page that is known to be past the end; pages behind it are not asked for any more.
    let (known_end, end) = watch::channel(last.saturating_add(1));
    let reading = stream::iter(first..=last)
        .take_while(|index| {
            let before_end = *index <= *end.borrow();
            async move { before_end }
        })
        .map(|index| read_unless_past(client.clone(), how, index, end.clone()))
        .buffer_unordered(client.gate().limits().max_in_flight);
    let mut reading = std::pin::pin!(reading);
    while let Some(read) = reading.next().await {
        let Some((index, page)) = read? else { continue };
        // A page that is not full is the last; the one behind it has to confirm that.
        let end_of_page = if page.is_past_end() {
            index
        } else if !page.in_parts && page.rows.len() < how.step as usize {
            index.saturating_add(1)
        } else {
            u32::MAX
        };
        known_end.send_if_modified(|end| {
            let earlier = end_of_page < *end;
            *end = end_of_page.min(*end);
            earlier
        });
        if !page.is_past_end() && pages.send(page).await.is_err() {
            return Ok(first);
        }
    }
    let end = *known_end.borrow();
    Ok(end)
}

/// Reads the page, or nothing once it is known to be behind the end.
async fn read_unless_past(
    client: Client,
    how: Sweep,
    index: u32,
    mut end: watch::Receiver<u32>,
) -> Result<Option<(u32, PageRead)>, Error> {
    let Some(offset) = index.checked_mul(how.step) else { return Ok(None) };
    tokio::select! {
        biased;
        result = end.wait_for(|end| index > *end) => {
            // An error says that the sweep is over, which is past the end too.
            drop(result);
            Ok(None)
        }
        page = page::read(&client, offset, how.limit()) => Ok(Some((index, page?))),
    }
}
