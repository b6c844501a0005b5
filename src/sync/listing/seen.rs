//! What has been seen of the listing, and whether rows moved while it was read.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::entry::{Entry, NOWHERE, Registration, listed};
use super::page::PageRead;
use super::paging::Paging;
use crate::odoo::run::ListedPermit;
use crate::sicantik::Row;

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
        (self.junk.max(self.before.0), self.skipped.max(self.before.1))
    }

    /// Distinct permits.
    pub(super) fn len(&self) -> usize {
        self.permits
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
                is_junk: row.is_junk(),
                has_other_texts: false,
                has_other_date: false,
            };
            self.rows.insert(registration, entry);
            self.permits += usize::from(!row.is_junk());
            return (!row.is_junk()).then_some(permit);
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
        if row.is_junk() {
            return None;
        }
        if entry.is_junk {
            (entry.is_junk, entry.texts, entry.date) = (false, texts, permit.expiry_date);
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
mod tests {
    use chrono::NaiveDate;

    use super::*;

    const PAGING: Paging = Paging { step: 3, overlap: 2, shift: 0 };

    fn page(offset: u32, names: &str) -> PageRead {
        let rows = names.chars().map(|name| Row {
            registration_id: name.to_string(),
            applicant_name: "Ginting".into(),
            ..Row::default()
        });
        let index = offset / PAGING.step;
        PageRead { index, offset, rows: rows.collect(), ..PageRead::default() }
    }

    fn dated(offset: u32, names: &str, date: &str) -> PageRead {
        let mut page = page(offset, names);
        page.rows.iter_mut().for_each(|row| row.expiry = Some(date.into()));
        page
    }

    fn news(permits: &[ListedPermit]) -> String {
        permits.iter().map(|permit| permit.registration_id.as_str()).collect()
    }

    fn begun() -> Seen {
        let mut seen = Seen::default();
        seen.begin();
        seen
    }

    #[test]
    fn a_listing_that_stands_still_has_not_moved() {
        let mut seen = begun();
        // The server repeats `b` by itself.
        assert_eq!(news(&seen.take(&page(3, "defg"), PAGING)), "defg");
        assert_eq!(news(&seen.take(&page(0, "abbde"), PAGING)), "ab");
        assert!(!seen.has_moved());
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn an_edge_that_does_not_fit_shows_a_movement() {
        for (second, has_moved) in [("ed", true), ("de", false), ("d", true), ("dfe", true)] {
            let mut seen = begun();
            seen.take(&page(0, "abcde"), PAGING);
            seen.take(&page(3, second), PAGING);
            assert_eq!(seen.has_moved(), has_moved, "{second}");
        }
    }

    #[test]
    fn a_row_on_two_pages_shows_a_movement() {
        let mut seen = begun();
        seen.take(&page(0, "abcde"), PAGING);
        seen.take(&page(6, "ghb"), PAGING);
        assert!(seen.has_moved());
    }

    #[test]
    fn rows_without_an_applicant_move_too() {
        let mut seen = begun();
        let junk = |mut page: PageRead, place: usize| {
            page.rows[place].applicant_name = "-".into();
            page
        };
        assert_eq!(news(&seen.take(&junk(page(0, "xbcde"), 0), PAGING)), "bcde");
        seen.take(&page(3, "defgh"), PAGING);
        assert!(!seen.has_moved());
        // Another permit has gone to its place, unseen.
        seen.take(&junk(page(6, "ghx"), 2), PAGING);
        assert!(seen.has_moved());
        assert!(seen.contains("x"), "it is listed all the same");
        assert_eq!((seen.counts(), seen.len()), ((2, 0), 7));
    }

    #[test]
    fn only_what_is_new_or_other_is_passed_on() {
        let mut seen = begun();
        seen.take(&page(0, "ab"), PAGING);
        assert_eq!(seen.upgraded, Some(false));
        let mut again = page(0, "abc");
        again.rows[1].expiry = Some("2030-01-02".into());
        seen.begin();
        let passed_on = seen.take(&again, PAGING);
        assert_eq!(news(&passed_on), "bc");
        assert_eq!(
            passed_on[0].expiry_date.flatten().map(|date| date.to_string()).as_deref(),
            Some("2030-01-02")
        );
        assert_eq!(seen.upgraded, Some(true));
        assert!(seen.contains(" c ") && !seen.contains("d"));
    }

    #[test]
    fn another_date_in_the_same_sweep_is_said_once() {
        let mut seen = begun();
        seen.take(&dated(0, "abc", "2030-01-02"), PAGING);
        let passed_on = seen.take(&dated(6, "b", "2031-01-02"), PAGING);
        assert_eq!(news(&passed_on), "b");
        let said = (passed_on[0].expiry_date, passed_on[0].other_expiry_date);
        let day = |year| Some(NaiveDate::from_ymd_opt(year, 1, 2));
        assert_eq!(said, (day(2030), day(2031)));
        assert!(seen.take(&dated(9, "b", ""), PAGING).is_empty());
        seen.begin();
        assert!(seen.take(&dated(0, "b", "2031-01-02"), PAGING).is_empty());
        assert!(seen.take(&dated(6, "b", "2030-01-02"), PAGING).is_empty());
    }

    #[test]
    fn another_date_later_is_a_change() {
        let mut seen = begun();
        seen.take(&dated(0, "a", "2030-01-02"), PAGING);
        let began = seen.now();
        let looked = seen.glance(&dated(0, "a", "2031-01-02"), began);
        assert_eq!((news(&looked.news).as_str(), looked.has_new), ("a", false));
        assert_eq!(looked.news[0].other_expiry_date, None);
        seen.begin();
        assert!(seen.take(&dated(0, "a", "2031-01-02"), PAGING).is_empty());
        assert!(
            seen.take(&page(0, "a"), PAGING).is_empty(),
            "a row without a date contradicts none"
        );
    }

    #[test]
    fn of_rows_that_differ_the_first_counts() {
        let named = |offset, name: &str, date| {
            let mut page = dated(offset, "a", date);
            page.rows[0].applicant_name = name.into();
            page
        };
        let mut seen = begun();
        seen.take(&named(0, "Ginting", ""), PAGING);
        assert!(seen.take(&named(6, "Barus", ""), PAGING).is_empty());
        seen.begin();
        assert!(seen.take(&named(6, "Barus", ""), PAGING).is_empty(), "whatever comes first then");
        let passed_on = seen.take(&named(0, "Barus", "2030-01-02"), PAGING);
        assert_eq!((news(&passed_on).as_str(), passed_on[0].applicant_name.as_str()), ("a", ""));
        // A change in between is one.
        let mut seen = begun();
        seen.take(&named(0, "Ginting", ""), PAGING);
        seen.begin();
        assert_eq!(seen.take(&named(0, "Barus", ""), PAGING)[0].applicant_name, "Barus");
    }

    #[test]
    fn what_two_pages_share_is_counted_once() {
        let mut seen = begun();
        let mut first = page(0, "abcd");
        first.rows[3].applicant_name = "0".into();
        first.gaps.push(4..5);
        let mut second = page(3, "df");
        second.rows[0].applicant_name = "0".into();
        second.gaps.push(4..5);
        seen.take(&first, PAGING);
        seen.take(&second, PAGING);
        assert_eq!(seen.counts(), (1, 1));
        seen.begin();
        assert_eq!(seen.counts(), (1, 1), "they do not fall");
        seen.end();
        assert_eq!(seen.counts(), (0, 0));
    }

    #[test]
    fn a_look_tells_pages_of_news() {
        let mut seen = begun();
        seen.take(&page(0, "ab"), PAGING);
        let began = seen.now();
        let mut told = |names: &str| {
            let glance = seen.glance(&page(0, names), began);
            (news(&glance.news), glance.may_go_on, glance.has_new)
        };
        assert_eq!(told("xbc"), ("xc".to_owned(), false, true));
        assert_eq!(
            told("cyy"),
            ("y".to_owned(), true, true),
            "what the last look has shown is new"
        );
        assert_eq!(told("cy"), (String::new(), false, false));
        let mut junk = page(0, "az");
        junk.rows[0].registration_id = "j".into();
        junk.rows[0].applicant_name = "-".into();
        junk.gaps.push(2..4);
        assert!(seen.glance(&junk, began).may_go_on, "junk may be among what is new");
        assert!(!seen.glance(&junk, began).may_go_on);
        assert_eq!(seen.counts().1, 2, "what cannot be read is counted, and once");
    }
}
