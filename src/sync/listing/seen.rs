//! What has been seen of the listing, and whether rows moved while it was read.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::page::PageRead;
use super::sweep::Sweep;
use crate::odoo::run::ListedPermit;
use crate::sicantik::{Row, permit_date};

/// A registration, held small: 16 digits nearly always.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Registration {
    Number(u64),
    Text(Box<str>),
}

impl Registration {
    fn new(text: &str) -> Self {
        let is_number = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if is_number => Self::Number(number),
            _ => Self::Text(text.into()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Of what was last passed on of the permit.
    content: u64,
    /// The page of the current sweep whose own rows it was among, and that sweep.
    page: (u32, u32),
}

/// The rows at a page's ends, by which it is fitted to its neighbours.
#[derive(Debug, Default)]
struct Edges {
    first: Vec<Registration>,
    beyond: Vec<Registration>,
}

/// Everything seen so far, over all sweeps.
#[derive(Debug, Default)]
pub(super) struct Seen {
    permits: HashMap<Registration, Entry>,
    hasher: RandomState,
    sweep: u32,
    edges: HashMap<u32, Edges>,
    moved: bool,
    /// Rows that are left out for want of an applicant, of the current sweep.
    pub(super) junk: u64,
    /// Rows that could not be read, of the current sweep.
    pub(super) skipped: u64,
    /// Whether a row carried an expiry date's field.
    pub(super) upgraded: bool,
}

impl Seen {
    /// Begins another sweep.
    pub(super) fn begin(&mut self) {
        self.sweep += 1;
        self.edges.clear();
        self.moved = false;
        self.junk = 0;
        self.skipped = 0;
    }

    /// Distinct permits.
    pub(super) fn len(&self) -> usize {
        self.permits.len()
    }

    /// Whether the permit is in the listing.
    pub(super) fn contains(&self, registration_id: &str) -> bool {
        self.permits.contains_key(&Registration::new(registration_id.trim()))
    }

    /// Takes in a page of a sweep; returns the permits in it that are new, or other than they were.
    pub(super) fn take(&mut self, page: &PageRead, how: Sweep) -> Vec<ListedPermit> {
        let index = page.offset / how.step;
        let own = how.step as usize;
        let mut news = Vec::new();
        let mut edges = Edges::default();
        for (place, row) in page.rows.iter().enumerate() {
            let registration = Registration::new(row.registration_id.trim());
            if place < how.overlap as usize {
                edges.first.push(registration.clone());
            }
            if place >= own {
                edges.beyond.push(registration.clone());
            }
            let is_own = page.in_parts || place < own;
            if is_own && row.is_junk() {
                self.junk += 1;
            }
            news.extend(self.take_row(row, registration, is_own.then_some(index)));
        }
        self.skipped += u64::from(page.skipped);
        if !page.in_parts {
            self.edges.insert(index, edges);
        }
        news
    }

    /// Takes in a page that is looked at beside a sweep: where it stands says nothing.
    pub(super) fn glance(&mut self, page: &PageRead) -> Vec<ListedPermit> {
        let rows = page.rows.iter();
        rows.filter_map(|row| {
            self.take_row(row, Registration::new(row.registration_id.trim()), None)
        })
        .collect()
    }

    fn take_row(
        &mut self,
        row: &Row,
        registration: Registration,
        own_page: Option<u32>,
    ) -> Option<ListedPermit> {
        self.upgraded |= row.expiry.is_some();
        if row.is_junk() {
            return None;
        }
        let permit = listed(row);
        let content = self.hasher.hash_one(&permit);
        let here = own_page.map(|page| (self.sweep, page));
        match self.permits.get_mut(&registration) {
            Some(entry) => {
                // Within one page, which is of one moment, a registration is repeated by the server; on two pages, its
                // row has moved from one to the other, and another row the opposite way, perhaps unseen.
                if let Some(here) = here {
                    self.moved |= entry.page.0 == here.0 && entry.page.1 != here.1;
                    entry.page = here;
                }
                let changed = entry.content != content;
                entry.content = content;
                changed.then_some(permit)
            }
            None => {
                let page = here.unwrap_or((0, 0));
                self.permits.insert(registration, Entry { content, page });
                Some(permit)
            }
        }
    }

    /// Whether rows moved during this sweep, so that some may have been missed.
    pub(super) fn has_moved(&self) -> bool {
        self.moved
            || self.edges.iter().any(|(index, edges)| {
                self.edges.get(&(index + 1)).is_some_and(|next| {
                    let both = edges.beyond.len().min(next.first.len());
                    edges.beyond[..both] != next.first[..both]
                })
            })
    }
}

/// A row in the form that Odoo takes. A date that cannot be read is not said: the permit is asked for by itself.
fn listed(row: &Row) -> ListedPermit {
    let tidy = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    ListedPermit {
        registration_id: row.registration_id.trim().to_owned(),
        // To the letter: SICANTIK compares it so.
        permit_number: row.permit_number.clone(),
        applicant_name: tidy(&row.applicant_name),
        permit_type_name: tidy(&row.permit_type_name),
        received_date: permit_date(row.received.as_deref()).ok().flatten(),
        expiry_date: row.expiry.as_deref().and_then(|text| permit_date(Some(text)).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: Sweep = Sweep { step: 3, overlap: 2 };

    fn page(offset: u32, names: &str) -> PageRead {
        let rows = names.chars().map(|name| Row {
            registration_id: name.to_string(),
            applicant_name: "Ginting".into(),
            ..Row::default()
        });
        PageRead { offset, rows: rows.collect(), ..PageRead::default() }
    }

    fn news(permits: &[ListedPermit]) -> String {
        permits.iter().map(|permit| permit.registration_id.as_str()).collect()
    }

    #[test]
    fn a_listing_that_stands_still_has_not_moved() {
        let mut seen = Seen::default();
        seen.begin();
        // The server repeats `b` by itself.
        assert_eq!(news(&seen.take(&page(3, "defg"), HOW)), "defg");
        assert_eq!(news(&seen.take(&page(0, "abbde"), HOW)), "ab");
        assert!(!seen.has_moved());
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn an_edge_that_does_not_fit_shows_a_movement() {
        let mut seen = Seen::default();
        seen.begin();
        seen.take(&page(0, "abcde"), HOW);
        seen.take(&page(3, "ed"), HOW);
        assert!(seen.has_moved());
        seen.begin();
        seen.take(&page(0, "abcde"), HOW);
        seen.take(&page(3, "de"), HOW);
        assert!(!seen.has_moved());
    }

    #[test]
    fn a_row_on_two_pages_shows_a_movement() {
        let mut seen = Seen::default();
        seen.begin();
        seen.take(&page(0, "abcde"), HOW);
        seen.take(&page(6, "ghb"), HOW);
        assert!(seen.has_moved());
    }

    #[test]
    fn only_what_is_new_or_other_is_passed_on() {
        let mut seen = Seen::default();
        seen.begin();
        seen.take(&page(0, "ab"), HOW);
        let mut again = page(0, "abc");
        again.rows[1].expiry = Some("2030-01-02".into());
        seen.begin();
        let passed_on = seen.take(&again, HOW);
        assert_eq!(news(&passed_on), "bc");
        assert_eq!(
            passed_on[0].expiry_date.flatten().map(|date| date.to_string()).as_deref(),
            Some("2030-01-02")
        );
        assert!(seen.upgraded);
        assert!(seen.contains(" c ") && !seen.contains("d"));
    }

    #[test]
    fn junk_is_counted_and_left_out() {
        let mut seen = Seen::default();
        seen.begin();
        let mut junk = page(0, "ab");
        junk.rows[0].applicant_name = "-".into();
        assert_eq!(news(&seen.take(&junk, HOW)), "b");
        assert_eq!((seen.junk, seen.len()), (1, 1));
    }
}
