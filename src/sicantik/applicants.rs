//! Who applied, where XML does not tell a missing name from one that it cannot print.
//!
//! PHP's JSON has no page at all on which a value is not UTF-8, and its XML empties just that value.
//! An empty name in XML is then either junk, as many are, or a permit's. JSON tells them apart: it has
//! the rows around a junk row, but none of the others' own.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;

use super::error::{Error, Unreadable};
use super::row::Row;
use super::transport::Accept;
use super::{Client, Format};

/// The parts of the listing in which a row is looked for: how far before its place they begin, and how
/// many rows they have. Rows of the same day may stand elsewhere in each answer; a row that is not
/// UTF-8 hides those beside it, and an empty answer may be a stray one.
const PARTS: [(u32, u32); 5] = [(4, 9), (0, 1), (0, 1), (4, 5), (0, 5)];

/// After so many parts without an answer in JSON the row is one that is not UTF-8.
const ENCODING_FAILURES: u32 = 3;

/// Which form pages of the listing come in.
#[derive(Debug, Default)]
pub(super) struct JsonPages {
    asked: AtomicU32,
    failed: AtomicU32,
}

impl JsonPages {
    /// The form to ask for the next page. Where hardly any can be had as JSON, asking for it first
    /// would double the requests.
    pub(super) fn accept(&self) -> Accept {
        let asked = self.asked.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        if asked >= 4 && failed * 4 > asked * 3 { Accept::Xml } else { Accept::JsonFirst }
    }

    /// Counts a page that was asked for as `accept` and could be had as `accepted`.
    pub(super) fn count(&self, accept: Accept, accepted: Format) {
        if accept == Accept::JsonFirst {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.failed.fetch_add(u32::from(accepted == Format::Xml), Ordering::Relaxed);
        }
    }
}

impl Client {
    /// Finds out which of `rows`, read as XML from `offset` on, have no applicant, and which have one
    /// whose name cannot be printed; these stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub(super) async fn settle_applicants(
        &self,
        rows: &mut [Row],
        offset: u32,
    ) -> Result<(), Error> {
        let unknown = rows.iter_mut().zip(offset..).filter(|(row, _)| row.has_unknown_applicant);
        let settling = unknown.map(|(row, place)| async move {
            if let Some(found) = self.find_in_json(row, place).await? {
                *row = found;
            }
            Ok(())
        });
        join_all(settling).await.into_iter().collect()
    }

    /// The same row in JSON, if it can be had.
    async fn find_in_json(&self, row: &Row, place: u32) -> Result<Option<Row>, Error> {
        let mut failures = 0;
        for (before, limit) in PARTS {
            match self.json_listing(limit, place.saturating_sub(before)).await {
                Ok(rows) => {
                    let is_same = |one: &Row| one.registration_id == row.registration_id;
                    let found = rows.into_iter().find(is_same);
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(Error::Unreadable(Unreadable::UnquotedIdentity { .. })) => return Ok(None),
                Err(Error::Unreadable(Unreadable::Empty)) => failures += 1,
                Err(error) => tracing::debug!(%error, place, "A row cannot be had in JSON"),
            }
            if failures == ENCODING_FAILURES {
                break;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_asked_for_where_json_hardly_ever_works() {
        let pages = JsonPages::default();
        let mut accepts = Vec::new();
        for accepted in [Format::Xml, Format::Json, Format::Xml, Format::Xml, Format::Xml] {
            accepts.push(pages.accept());
            pages.count(Accept::JsonFirst, accepted);
        }
        assert_eq!(accepts, [Accept::JsonFirst; 5]);
        assert_eq!(pages.accept(), Accept::Xml);
        pages.count(Accept::Xml, Format::Xml);
        assert_eq!(pages.asked.load(Ordering::Relaxed), 5, "XML says nothing of JSON");
    }
}
