//! What has been seen of the listing, and whether rows moved while it was read.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::entry::{Entry, NOWHERE, Registration, listed};
use super::page::PageRead;
use super::paging::Paging;
use crate::odoo::run::ListedPermit;
use crate::sicantik::{NameStatus, Row};

/// The rows at a page's ends, which are compared with its neighbours'.
#[derive(Debug, Default)]
struct Edges {
    first: Vec<Registration>,
    beyond: Vec<Registration>,
}

/// Everything seen so far, over all sweeps.
#[derive(Debug, Default)]
pub(super) struct Seen {
    rows: HashMap<Registration, Entry>,
    /// Of these, permits.
    permits: usize,
    /// Of these, permits whose applicant is not known.
    nameless: u64,
    /// Registrations of which nobody knows yet whether they have an applicant.
    undecided: HashSet<Registration>,
    hasher: RandomState,
    moment: u32,
    edges: HashMap<u32, Edges>,
    moved: bool,
    /// Rows of the current sweep that have no applicant, and those that could not be read.
    junk: u64,
    skipped: u64,
    /// The same of the sweep before, until the current one has ended.
    before: (u64, u64),
    /// Whether rows have a field for the expiry date, once one has been seen.
    pub(super) upgraded: Option<bool>,
}

/// A look at a page outside of the sweeps.
#[derive(Debug)]
pub(super) struct Glance {
    /// The permits in it that are new or have changed.
    pub(super) news: Vec<ListedPermit>,
    /// Whether a registration there is new and no permit there was known before the looks began:
    /// more may have come in behind it.
    pub(super) may_go_on: bool,
    /// Whether a registration there is new.
    pub(super) has_new: bool,
}

impl Seen {
    /// Begins another sweep.
    pub(super) fn begin(&mut self) {
        self.before = self.counts();
        self.moment += 1;
        self.edges.clear();
        self.moved = false;
        self.junk = 0;
        self.skipped = 0;
    }

    /// Ends the sweep.
    pub(super) fn end(&mut self) {
        self.before = (0, 0);
    }

    /// Rows left out: those without an applicant, and those that could not be read. During another
    /// sweep they do not start from zero again.
    pub(super) fn counts(&self) -> (u64, u64) {
        let undecided = self.undecided.len() as u64;
        (self.junk.max(self.before.0), self.skipped.max(self.before.1) + undecided)
    }

    /// Whether all rows are either permits or junk.
    pub(super) fn is_decided(&self) -> bool {
        self.undecided.is_empty()
    }

    /// Distinct permits.
    pub(super) fn len(&self) -> usize {
        self.permits
    }

    /// Distinct permits whose applicant is not known.
    pub(super) fn nameless(&self) -> u64 {
        self.nameless
    }

    /// Distinct registrations, those without an applicant included.
    pub(super) fn registrations(&self) -> usize {
        self.rows.len()
    }

    /// Whether the registration is in the listing, with an applicant or without.
    pub(super) fn contains(&self, registration_id: &str) -> bool {
        self.rows.contains_key(&Registration::new(registration_id.trim()))
    }

    /// Takes in a page of a sweep; returns the permits in it that are new or have changed.
    pub(super) fn take(&mut self, page: &PageRead, paging: Paging) -> Vec<ListedPermit> {
        let next = paging.start(page.index.saturating_add(1)).unwrap_or(u32::MAX);
        let mut news = Vec::new();
        let mut edges = Edges::default();
        for (place, row) in page.placed() {
            let registration = Registration::new(row.registration_id.trim());
            let is_own = place < next;
            if place < page.offset + paging.overlap {
                edges.first.push(registration.clone());
            }
            if !is_own {
                edges.beyond.push(registration.clone());
            }
            // The next page's own rows are counted there.
            self.junk += u64::from(is_own && row.is_junk());
            news.extend(self.take_row(row, registration, is_own.then_some(page.index)));
        }
        for gap in &page.gaps {
            self.skipped += u64::from(gap.end.min(next).saturating_sub(gap.start));
        }
        // Parts are not of one moment: a row may have moved from one to the other.
        self.moved |= page.in_parts;
        if !page.in_parts {
            self.edges.insert(page.index, edges);
        }
        news
    }

    /// The moment from which on anything seen is new to a look that begins now.
    pub(super) fn now(&self) -> u32 {
        self.moment + 1
    }

    /// Takes in a page that is looked at outside of a sweep, in looks that began at `began`. Its
    /// position says nothing.
    pub(super) fn glance(&mut self, page: &PageRead, began: u32) -> Glance {
        self.moment += 1;
        // Most likely the sweep left out the same rows.
        self.skipped = self.skipped.max(u64::from(page.skipped()));
        let before = self.rows.len();
        let mut news = Vec::new();
        let mut has_known = false;
        for row in &page.rows {
            let registration = Registration::new(row.registration_id.trim());
            let entry = self.rows.get(&registration);
            has_known |= entry.is_some_and(|entry| entry.since < began && !entry.is_junk);
            news.extend(self.take_row(row, registration, None));
        }
        let has_new = self.rows.len() > before;
        Glance { news, may_go_on: has_new && !has_known, has_new }
    }

    fn take_row(
        &mut self,
        row: &Row,
        registration: Registration,
        own_page: Option<u32>,
    ) -> Option<ListedPermit> {
        self.upgraded = Some(self.upgraded == Some(true) || row.expiry.is_some());
        if registration.is_missing() {
            return None;
        }
        let was_undecided = self.undecided.contains(&registration);
        if row.name_status != NameStatus::Undecided {
            self.undecided.remove(&registration);
        } else if was_undecided || !self.rows.contains_key(&registration) {
            self.undecided.insert(registration.clone());
        }
        let is_left_out = row.is_junk() || row.name_status == NameStatus::Undecided;
        let is_unknown = row.name_status != NameStatus::Printed;
        let mut permit = listed(row);
        let texts = self.hasher.hash_one((
            &permit.permit_number,
            &permit.applicant_name,
            &permit.permit_type_name,
        ));
        let Some(entry) = self.rows.get_mut(&registration) else {
            let entry = Entry {
                texts,
                date: permit.expiry_date,
                since: self.moment,
                moment: self.moment,
                page: own_page.unwrap_or(NOWHERE),
                is_junk: is_left_out,
                is_nameless: is_unknown && !is_left_out,
                has_other_texts: false,
                has_other_date: false,
            };
            self.nameless += u64::from(entry.is_nameless);
            self.rows.insert(registration, entry);
            self.permits += usize::from(!is_left_out);
            return (!is_left_out).then_some(permit);
        };
        let is_again = entry.moment == self.moment;
        if !is_again {
            (entry.moment, entry.page) = (self.moment, NOWHERE);
        }
        if let Some(page) = own_page {
            // Within one page, which is of one moment, the server repeats a registration. On two
            // pages, its row has moved from one to the other, and another row the opposite way,
            // perhaps unseen.
            self.moved |= entry.page != NOWHERE && entry.page != page;
            entry.page = page;
        }
        // A row that says that there is no applicant knows more than one that cannot tell.
        if is_left_out || (entry.is_junk && is_unknown && !was_undecided) {
            return None;
        }
        if entry.is_nameless && !is_unknown {
            entry.is_nameless = false;
            self.nameless -= 1;
        }
        if entry.is_junk {
            (entry.is_junk, entry.texts, entry.date) = (false, texts, permit.expiry_date);
            entry.is_nameless = is_unknown;
            self.nameless += u64::from(is_unknown);
            self.permits += 1;
            return Some(permit);
        }
        permit.again = true;
        let is_news = entry.compare(&mut permit, texts, is_again);
        is_news.then_some(permit)
    }

    /// Whether rows moved during this sweep, so that some may have been missed.
    pub(super) fn has_moved(&self) -> bool {
        self.moved
            || self.edges.iter().any(|(index, edges)| {
                self.edges.get(&(index + 1)).is_some_and(|next| edges.beyond != next.first)
            })
    }
}

#[cfg(test)]
mod tests;
