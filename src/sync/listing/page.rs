//! One page of the listing.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::sicantik::{Client, Error, Row};

/// A part of a page that was in trouble is asked for once; the smallest, a single row, once more.
const TRIES_OF_A_PART: u32 = 1;
const TRIES_OF_A_ROW: u32 = 2;

/// A page as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRead {
    /// Where it begins.
    pub offset: u32,
    /// Its rows, in the server's order.
    pub rows: Vec<Row>,
    /// Rows in it that could not be read at all, each asked for alone.
    pub skipped: u32,
    /// Whether it was read in parts, so that its rows need not be of one moment.
    pub in_parts: bool,
}

impl PageRead {
    /// Whether nothing stands here: the page is past the end.
    #[must_use]
    pub fn is_past_end(&self) -> bool {
        self.rows.is_empty() && self.skipped == 0
    }
}

/// Reads `limit` rows from `offset` on. A page that cannot be had whole is read in halves, and these in halves, down to
/// single rows; a row that cannot be had alone is left out and counted.
///
/// # Errors
///
/// What smaller pages do not help against; and any error while the server does not answer its cheapest question either.
pub(super) async fn read(client: &Client, offset: u32, limit: u32) -> Result<PageRead, Error> {
    match client.listing(limit, offset).await {
        Ok(rows) => Ok(PageRead { offset, rows, skipped: 0, in_parts: false }),
        Err(error) if error.is_passing() => {
            // Is it the page, or the server?
            client.ping().await?;
            tracing::warn!(offset, limit, %error, "A page of the listing is read in smaller parts");
            let mut page = halves(client.clone(), offset, limit).await?;
            page.in_parts = true;
            Ok(page)
        }
        Err(error) => Err(error),
    }
}

async fn part(client: Client, offset: u32, limit: u32) -> Result<PageRead, Error> {
    let tries = if limit == 1 { TRIES_OF_A_ROW } else { TRIES_OF_A_PART };
    match client.listing_in(limit, offset, tries).await {
        Ok(rows) => Ok(PageRead { offset, rows, ..PageRead::default() }),
        Err(error) if error.is_passing() && limit == 1 => {
            client.ping().await?;
            tracing::warn!(offset, %error, "A row of the listing cannot be read and is left out");
            Ok(PageRead { offset, skipped: 1, ..PageRead::default() })
        }
        Err(error) if error.is_passing() => halves(client, offset, limit).await,
        Err(error) => Err(error),
    }
}

fn halves(client: Client, offset: u32, limit: u32) -> BoxFuture<'static, Result<PageRead, Error>> {
    async move {
        let half = limit.div_ceil(2);
        let mut page = part(client.clone(), offset, half).await?;
        // A first half that ends early is the listing's end.
        let is_end = page.skipped == 0 && page.rows.len() < half as usize;
        if limit > half && !is_end {
            let second = part(client, offset + half, limit - half).await?;
            page.rows.extend(second.rows);
            page.skipped += second.skipped;
        }
        Ok(page)
    }
    .boxed()
}
