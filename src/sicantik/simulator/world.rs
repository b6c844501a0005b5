//! The state of the simulated office: which permits there are, the order of the listing, and what
//! happens to them while it is being read.

use std::collections::{HashMap, HashSet};

use super::chance::{Draw, mix, mix_bytes};
use super::change::Change;
use super::options::{Format, Options};
use super::permits::{Permit, Recipe, Revision};

/// A longer page hangs if it holds a heavy row.
pub(super) const HEAVY_PAGE: usize = 25;

/// The permits, the listing, and the index by number.
pub(super) struct World {
    pub(super) recipe: Recipe,
    /// Whether rows of the listing carry `d_berlaku_izin` and `d_terima_berkas`.
    pub(super) upgraded: bool,
    /// Whether rows of the listing carry `d_terima_berkas` even when not upgraded.
    pub(super) received: bool,
    /// Whether `cekperizinanizin` is missing.
    pub(super) old: bool,
    /// Whether values that are not UTF-8 go out as they are.
    pub(super) raw_bytes: bool,
    /// Whether there is XML alone, which does not tell an empty name from one that is not UTF-8.
    pub(super) xml_only: bool,
    /// Whether errors and counts have the shape of another REST library.
    pub(super) other_shapes: bool,
    /// How many permits were ever made.
    count: u32,
    /// The listing, oldest row first, so that new ones are pushed; a permit can be in it twice.
    rows: Vec<u32>,
    /// Hashes of permit numbers with their permits, sorted.
    numbers: Vec<(u64, u32)>,
    revisions: HashMap<u32, Revision>,
    /// How far a row can be out of place in one answer.
    shuffle: usize,
    stuck: HashSet<u32>,
    heavy: HashSet<u32>,
    changes: u64,
}

/// The result of a query for a page of the listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    Rows(Vec<u32>),
    /// The database never ends this query.
    Hangs,
}

impl World {
    pub(super) fn new(options: &Options) -> Self {
        let recipe = Recipe { seed: options.seed, initial: options.permits, clean: options.clean };
        let mut world = Self {
            recipe,
            upgraded: options.upgraded,
            received: options.received,
            old: options.old,
            raw_bytes: options.raw_bytes,
            xml_only: options.format == Format::Xml,
            other_shapes: options.other_shapes,
            count: 0,
            rows: Vec::new(),
            numbers: Vec::new(),
            revisions: HashMap::new(),
            shuffle: if options.clean { 0 } else { options.shuffle },
            stuck: HashSet::new(),
            heavy: HashSet::new(),
            changes: 0,
        };
        world.add(options.permits);
        world.stuck = world.some(options.stuck_rows, 1);
        world.heavy = world.some(options.heavy_rows, 2);
        world
    }

    fn some(&self, how_many: u32, salt: u64) -> HashSet<u32> {
        let mut draw = Draw::new(&[self.recipe.seed, salt, 0x00de_ad00]);
        let mut chosen = HashSet::new();
        while chosen.len() < how_many.min(self.count) as usize {
            chosen.insert(draw.below(u64::from(self.count)) as u32);
        }
        chosen
    }

    /// How many permits there are, listed or not.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// How many rows the listing has, duplicates included.
    pub(super) fn listed_rows(&self) -> usize {
        self.rows.len()
    }

    /// How often each permit is in the listing.
    pub(super) fn times_listed(&self) -> Vec<u8> {
        let mut times = vec![0_u8; self.count as usize];
        for permit in &self.rows {
            times[*permit as usize] += 1;
        }
        times
    }

    pub(super) fn is_stuck(&self, permit: u32) -> bool {
        self.stuck.contains(&permit)
    }

    pub(super) fn permit(&self, permit: u32) -> Permit {
        let revision = self.revisions.get(&permit).copied().unwrap_or_default();
        self.recipe.permit(permit, revision)
    }

    /// The permits with this number, in an arbitrary but fixed order.
    pub(super) fn with_number(&self, number: &[u8]) -> Vec<u32> {
        let hash = mix_bytes(number);
        let first = self.numbers.partition_point(|(known, _)| *known < hash);
        let mut found: Vec<u32> = self.numbers[first..]
            .iter()
            .take_while(|(known, _)| *known == hash)
            .map(|(_, permit)| *permit)
            .filter(|permit| self.recipe.number(*permit).as_bytes() == number)
            .collect();
        found.sort_by_key(|permit| mix(&[self.recipe.seed, u64::from(*permit)]));
        found
    }

    /// Rows `offset..offset + limit` of the listing, newest first. Unless `twist` is 0, rows of the
    /// same day are a little out of place: the query has no tie-break.
    pub(super) fn page(&self, offset: usize, limit: usize, twist: u64) -> Page {
        let end = offset.saturating_add(limit).min(self.rows.len());
        let rows: Vec<u32> = (offset..end)
            .map(|place| self.rows[self.twisted(self.rows.len() - 1 - place, twist)])
            .collect();
        let hangs = rows.iter().any(|row| {
            self.stuck.contains(row) || (limit > HEAVY_PAGE && self.heavy.contains(row))
        });
        if hangs { Page::Hangs } else { Page::Rows(rows) }
    }

    fn twisted(&self, place: usize, twist: u64) -> usize {
        if twist == 0 || self.shuffle == 0 {
            return place;
        }
        let (first, end) = self.same_day(place);
        let size = self.shuffle + 1;
        let block = first + (place - first) / size * size;
        let length = size.min(end - block);
        block + (place - block + twist as usize % size) % length
    }

    /// The rows of the same day as the one at `place`: the first and the one after the last.
    fn same_day(&self, place: usize) -> (usize, usize) {
        let day = |place: usize| self.recipe.day(self.rows[place]);
        let today = day(place);
        let first = (0..place).rev().take_while(|other| day(*other) == today).count();
        let after = (place..self.rows.len()).take_while(|other| day(*other) == today).count();
        (place - first, place + after)
    }

    /// Applies `change`, and returns the registrations of the permits that it touched.
    pub(super) fn apply(&mut self, change: Change) -> Vec<String> {
        self.changes += 1;
        let touched = match change {
            Change::Upgrade => {
                self.upgraded = true;
                Vec::new()
            }
            Change::Downgrade => {
                self.upgraded = false;
                Vec::new()
            }
            Change::Add(count) => self.add(count),
            Change::Swap(count) => self.swap(count),
            Change::Unlist(count) => {
                let gone = self.draw_listed(count);
                let set: HashSet<u32> = gone.iter().copied().collect();
                self.rows.retain(|row| !set.contains(row));
                gone
            }
            Change::Renew(count) => self.revise(count, |revision| revision.renewed += 1),
            Change::Rename(count) => self.revise(count, |revision| revision.changed += 1),
        };
        touched.into_iter().map(|permit| self.permit(permit).registration).collect()
    }

    fn add(&mut self, count: u32) -> Vec<u32> {
        let Recipe { seed, clean, .. } = self.recipe;
        // A registration counts permits in eight digits.
        let last = self.count.saturating_add(count).min(super::options::MOST_PERMITS);
        let added: Vec<u32> = (self.count..last).collect();
        self.count = last;
        self.numbers.reserve(added.len());
        let mut rows = Vec::with_capacity(added.len());
        for permit in &added {
            let number = self.recipe.number(*permit);
            if !number.is_empty() {
                self.numbers.push((mix_bytes(number.as_bytes()), *permit));
            }
            let mut draw = Draw::new(&[seed, u64::from(*permit), 0x0115_7ed0]);
            let day = self.recipe.day(*permit);
            rows.push((day, if clean { u64::from(*permit) } else { draw.next() }, *permit));
            if !clean && draw.happens(15) {
                rows.push((day, draw.next(), *permit));
            }
        }
        self.numbers.sort_unstable();
        rows.sort_unstable();
        self.rows.extend(rows.into_iter().map(|(_, _, permit)| permit));
        added
    }

    fn swap(&mut self, count: u32) -> Vec<u32> {
        let mut draw = self.change_draw();
        let mut touched = Vec::new();
        // A row that is alone on its day has no other to change places with.
        for _ in 0..count.saturating_mul(8) {
            if touched.len() >= count as usize || self.rows.is_empty() {
                break;
            }
            let place = draw.below(self.rows.len() as u64) as usize;
            let (first, end) = self.same_day(place);
            let other = first + draw.below((end - first) as u64) as usize;
            if self.rows[place] != self.rows[other] {
                self.rows.swap(place, other);
                touched.extend([self.rows[place], self.rows[other]]);
            }
        }
        touched
    }

    fn revise(&mut self, count: u32, how: impl Fn(&mut Revision)) -> Vec<u32> {
        let chosen = self.draw_listed(count);
        for permit in &chosen {
            how(self.revisions.entry(*permit).or_default());
        }
        chosen
    }

    /// Distinct permits of the listing.
    fn draw_listed(&self, count: u32) -> Vec<u32> {
        let mut listed = self.rows.clone();
        listed.sort_unstable();
        listed.dedup();
        let mut draw = self.change_draw();
        let count = (count as usize).min(listed.len());
        for place in 0..count {
            let other = place + draw.below((listed.len() - place) as u64) as usize;
            listed.swap(place, other);
        }
        listed.truncate(count);
        listed
    }

    fn change_draw(&self) -> Draw {
        Draw::new(&[self.recipe.seed, self.changes, 0xc4a9_6e00])
    }
}
