//! Who applied, where XML does not tell a missing name from one that it cannot print.
//!
//! On a page with a value that is not UTF-8, PHP's JSON fails, and its XML empties just that value.
//! An empty name in XML is then either junk, as many are, or a permit's. JSON tells them apart: it
//! has the rows around a junk row and the row itself, but not one that is not UTF-8.

use futures::future::join_all;

use super::Client;
use super::error::{Error, Unreadable};
use super::row::{NameStatus, Row};
use super::transport::Accept;

/// The parts of the listing in which a row is looked for: how far before its place they begin, and
/// how many rows they have. Rows of the same day may stand elsewhere in each answer, and new
/// permits push the others back.
const WIDER: [(u32, u32); 4] = [(4, 9), (13, 27), (40, 81), (120, 241)];

/// The parts that are tried where JSON fails on one in which several rows may be the reason.
const NARROWER: [(u32, u32); 8] = [(2, 5), (1, 3), (0, 1), (3, 4), (0, 4), (6, 7), (0, 7), (8, 17)];

/// A part that JSON fails on is asked for so often: an empty answer may be a stray one.
const TRIES: u32 = 3;

/// What a part of the listing says of a row.
enum Finding {
    /// JSON has this name, which may be none.
    Named(String),
    /// JSON fails on this very row.
    Unprintable,
    /// JSON fails on this row or on another one.
    Ambiguous,
    /// It stands elsewhere.
    Elsewhere,
    /// The server has another problem.
    Nothing,
}

impl Client {
    /// Finds out which of `rows`, read as XML from `offset` on, have no applicant, and which have
    /// one whose name cannot be printed.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub(super) async fn settle_applicants(
        &self,
        rows: &mut [Row],
        offset: u32,
    ) -> Result<(), Error> {
        let emptied = |row: &Row| row.name_status == NameStatus::Emptied;
        let settling = (offset..).zip(rows).filter(|(_, row)| emptied(row));
        let settling = settling.map(|(place, row)| self.settle(row, place));
        join_all(settling).await.into_iter().collect()
    }

    async fn settle(&self, row: &mut Row, place: u32) -> Result<(), Error> {
        let (mut wider, mut narrower) = (WIDER.into_iter(), NARROWER.into_iter());
        let mut is_near = false;
        loop {
            let next = if is_near { narrower.next() } else { wider.next() };
            let Some((before, limit)) = next else { break };
            match self.look_for(row, limit, place.saturating_sub(before)).await? {
                Finding::Named(name) => {
                    (row.applicant_name, row.name_status) = (name, NameStatus::Printed);
                    return Ok(());
                }
                Finding::Unprintable => return Ok(()),
                Finding::Ambiguous => is_near = true,
                Finding::Elsewhere => {}
                Finding::Nothing => break,
            }
        }
        row.name_status = NameStatus::Undecided;
        Ok(())
    }

    /// Looks for `row` in a part of the listing.
    async fn look_for(&self, row: &Row, limit: u32, offset: u32) -> Result<Finding, Error> {
        let id = |row: &Row| row.registration_id.trim_start_matches('0').to_owned();
        let is_same = |one: &Row| id(one) == id(row);
        for _ in 0..TRIES {
            match self.listing_as(Accept::JsonOnly, limit, offset).await {
                Ok(rows) => {
                    let found = rows.into_iter().find(is_same);
                    let name = found.map(|found| found.applicant_name);
                    return Ok(name.map_or(Finding::Elsewhere, Finding::Named));
                }
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(Error::Unreadable(Unreadable::Empty)) => {}
                Err(error) => {
                    tracing::debug!(%error, offset, limit, "Rows cannot be had in JSON");
                    return Ok(Finding::Nothing);
                }
            }
        }
        // The same question has the same rows in XML.
        Ok(match self.listing_as(Accept::Xml, limit, offset).await {
            Ok(rows) if !rows.iter().any(is_same) => Finding::Elsewhere,
            Ok(rows) if rows.iter().filter(|one| may_be_emptied(one)).count() == 1 => {
                Finding::Unprintable
            }
            Ok(_) => Finding::Ambiguous,
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(_) => Finding::Nothing,
        })
    }
}

/// Whether XML may have emptied a value of the row.
fn may_be_emptied(row: &Row) -> bool {
    row.name_status == NameStatus::Emptied
        || row.permit_number.is_empty()
        || row.permit_type_name.is_empty()
}
