//! Whether the pages of a sweep still bring anything new. A server that ignores `offset`, or
//! repeats its last page, never says that the listing is at its end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::page::PageRead;
use crate::sicantik::Row;

/// So many pages in a row that only repeat the first page, or the last ones, are no accident.
const STUCK: usize = 3;

/// A longer listing is not read: no office has issued so many permits.
const MOST_ROWS: usize = 2_000_000;

/// What is known of a sweep's rows.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Whether an earlier sweep has found where the listing ends.
    knows_end: bool,
    hasher: RandomState,
    /// Where each row was seen first.
    places: HashMap<u64, u32>,
    /// The row at the very front.
    front: Option<u64>,
    /// The rows of the last pages that brought something new, by page.
    last: BTreeMap<u32, HashSet<u64>>,
    /// How many pages brought something new.
    new_pages: usize,
    /// The rows of the pages since that did not.
    old_pages: Vec<Vec<u64>>,
}

/// What the pages since the last new one repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// The first page, whatever the offset.
    First,
    /// The last page, behind the end.
    Last,
    /// Other pages.
    Any,
}

impl Repeats {
    pub(super) fn new(knows_end: bool) -> Self {
        Self { knows_end, ..Self::default() }
    }

    /// Takes in the rows of a page; answers whether any is new, or where it was before.
    pub(super) fn has_news(&mut self, page: &PageRead) -> bool {
        let rows: Vec<(u32, u64)> =
            page.placed().map(|(place, row)| (place, self.hash(row))).collect();
        let is_new = rows.iter().any(|(_, row)| !self.places.contains_key(row));
        if page.offset == 0 {
            self.front = self.front.or(rows.first().map(|(_, row)| *row));
        }
        if !is_new {
            return rows.iter().all(|(place, row)| self.places[row] == *place);
        }
        for (place, row) in &rows {
            self.places.entry(*row).or_insert(*place);
        }
        let rows = rows.into_iter().map(|(_, row)| row);
        self.last.entry(page.index).or_default().extend(rows);
        while self.last.len() > 2 {
            self.last.pop_first();
        }
        true
    }

    /// Junk has no registration: all of its texts tell a row from others.
    fn hash(&self, row: &Row) -> u64 {
        let texts = (&row.registration_id, &row.permit_number, &row.applicant_name);
        self.hasher.hash_one((texts, &row.permit_type_name))
    }

    /// A page had news: the listing goes on.
    pub(super) fn go_on(&mut self) {
        self.new_pages += 1;
        self.old_pages.clear();
    }

    /// A page had none.
    pub(super) fn note_old(&mut self, page: &PageRead) {
        self.old_pages.push(page.rows.iter().map(|row| self.hash(row)).collect());
    }

    /// Whether the last page brought nothing new.
    pub(super) fn is_repeating(&self) -> bool {
        !self.old_pages.is_empty()
    }

    /// What the pages without news repeat.
    pub(super) fn repetition(&self) -> Repetition {
        let mut pages = self.old_pages.iter();
        let is_from_front = |page: &Vec<u64>| self.front.is_some_and(|row| page.contains(&row));
        if self.new_pages <= 1 && pages.clone().all(is_from_front) {
            return Repetition::First;
        }
        let is_of_last = |row: &u64| self.last.values().any(|page| page.contains(row));
        if pages.all(|page| page.iter().all(is_of_last)) {
            return Repetition::Last;
        }
        Repetition::Any
    }

    /// Whether it is not worth going on. Rows that came in at the front also make pages repeat: as
    /// many as they are.
    pub(super) fn is_hopeless(&self) -> bool {
        let most = match self.repetition() {
            Repetition::First | Repetition::Last => STUCK,
            Repetition::Any if self.knows_end => STUCK,
            Repetition::Any => self.new_pages.max(STUCK + 1),
        };
        self.old_pages.len() >= most
    }

    /// Whether there are more rows than any office has.
    pub(super) fn is_endless(&self) -> bool {
        self.places.len() > MOST_ROWS
    }
}
