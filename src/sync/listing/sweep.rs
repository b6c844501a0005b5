//! All pages of the listing, once, several at a time.
//!
//! The server does not say how long the listing is. An empty answer alone may be a stray one, and
//! a page that is not full may come from a server that gives fewer rows than it is asked for. So
//! the place where rows stopped is the end only if the server says twice that there are no rows
//! (a page that stops there counts as once), and no rows have been seen behind it. A server that
//! never says so repeats itself (`repeats`).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use futures::future::{AbortHandle, Abortable, BoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::page::{self, PageRead, Reading};
use super::paging::Paging;
use super::repeats::{Repeats, Repetition};
use crate::sicantik::Error;
use crate::sync::server::LicensingServer;

/// How often a place without rows is asked for although there are rows behind it.
const TRIES_OF_A_STRAY: u32 = 3;

/// A server that has stopped so often after the same number of rows, not at the end, gives no more
/// rows at once.
const SIGNS_OF_A_CAP: u32 = 2;

/// After so many pages in a row whose rest was given up, the server will not answer for the pages
/// behind them either.
const GIVEN_UP_IN_A_ROW: usize = 3;

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// At the listing's end.
    Whole {
        /// How many rows there are before it.
        end: u32,
    },
    /// Before it: the server gives fewer rows at once than it was asked for.
    Capped {
        /// How many it gives.
        rows: u32,
    },
    /// Where pages bring nothing new any more, although the server names no end.
    Repeating {
        /// What they bring instead.
        what: Repetition,
        /// How many rows there were before.
        end: u32,
    },
    /// Before it: the server answers for no more pages, or for more than there can be.
    CutShort,
    /// The receiver was closed.
    ReceiverClosed,
}

/// Reads all pages from the front to the end, and sends them on as they come, in any order. Where
/// the server gives fewer rows at once than it is asked for, begins anew with smaller pages, and
/// where it ignores the offset, with the other form of parameters. Pages behind `expected_end`,
/// where an earlier sweep found the end, are asked for only when the listing turns out to be
/// longer.
///
/// # Errors
///
/// The first [`Error`] that smaller pages do not avoid.
pub async fn sweep(
    server: &impl LicensingServer,
    mut paging: Paging,
    expected_end: Option<u32>,
    pages: &mpsc::Sender<PageRead>,
) -> Result<Swept, Error> {
    loop {
        match sweep_in(server, paging, expected_end, pages).await? {
            Swept::Capped { rows } => paging = Paging::within(rows),
            Swept::Repeating { what: Repetition::First, .. } if server.use_other_form() => {}
            swept => return Ok(swept),
        }
    }
}

/// As [`sweep`], but only with pages of this length.
pub(super) async fn sweep_in(
    server: &impl LicensingServer,
    paging: Paging,
    expected_end: Option<u32>,
    pages: &mpsc::Sender<PageRead>,
) -> Result<Swept, Error> {
    let sweeping = Sweeping {
        server,
        paging,
        expected_end: expected_end.unwrap_or(u32::MAX),
        next: 0,
        reading: FuturesUnordered::new(),
        asked: BTreeMap::new(),
        outbox: VecDeque::new(),
        places: BTreeMap::new(),
        furthest: 0,
        caps: HashMap::new(),
        cap: None,
        given_up: BTreeSet::new(),
        repeats: Repeats::new(expected_end.is_some()),
        withheld: Vec::new(),
    };
    sweeping.run(pages).await
}

/// Rows from `offset` on that belong to page `index`.
#[derive(Debug, Clone, Copy)]
struct Ask {
    index: u32,
    offset: u32,
    limit: u32,
}

type Asked = (Ask, Result<Reading, Error>);

/// A place where rows stopped before the page was full.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// The page that is not full, and where it would be.
    index: u32,
    until: u32,
    /// Whether there are rows right before it.
    is_stop: bool,
    /// How often the server said that there are no rows.
    empties: u32,
    /// How many rows came at once, where that may be all that the server gives.
    came: u32,
}

impl Place {
    fn is_confirmed(&self) -> bool {
        self.empties + u32::from(self.is_stop) >= 2 && self.empties > 0
    }
}

struct Sweeping<'a, L> {
    server: &'a L,
    paging: Paging,
    expected_end: u32,
    /// The next page to ask for.
    next: u32,
    reading: FuturesUnordered<Abortable<BoxFuture<'static, Asked>>>,
    /// What is being read, by offset.
    asked: BTreeMap<u32, (Ask, AbortHandle)>,
    /// Pages that the receiver has no room for yet. They count as pages being read, so that it
    /// does not grow.
    outbox: VecDeque<PageRead>,
    places: BTreeMap<u32, Place>,
    /// The first place behind all rows seen.
    furthest: u32,
    /// How often the server stopped, not at the end, after so many rows.
    caps: HashMap<u32, u32>,
    cap: Option<u32>,
    given_up: BTreeSet<u32>,
    repeats: Repeats,
    /// The pages that brought nothing new, since the last one that did.
    withheld: Vec<(Ask, Reading)>,
}

impl<L: LicensingServer> Sweeping<'_, L> {
    async fn run(mut self, pages: &mpsc::Sender<PageRead>) -> Result<Swept, Error> {
        let mut ended = None;
        loop {
            if ended.is_none() {
                ended = self.ask_on().map(Ok);
            }
            if let Some(end) = &ended {
                // What is still being read is given up.
                self.reading.clear();
                if self.outbox.is_empty() {
                    return end.clone();
                }
            }
            // Answers are taken even while the receiver is busy: one that waits too long is a
            // time-out.
            tokio::select! {
                () = pages.closed() => return Ok(Swept::ReceiverClosed),
                room = pages.reserve(), if !self.outbox.is_empty() => {
                    let Ok(room) = room else { return Ok(Swept::ReceiverClosed) };
                    room.send(self.outbox.pop_front().expect("it is not empty"));
                }
                Some(read) = self.reading.next(), if ended.is_none() => {
                    let Ok((ask, answer)) = read else { continue };
                    self.asked.remove(&ask.offset);
                    match answer {
                        Ok(reading) => self.sort(ask, reading),
                        Err(error) => ended = Some(Err(error)),
                    }
                }
            }
        }
    }

    /// Keeps a page that only repeats others back until a later one shows that the listing goes on.
    fn sort(&mut self, ask: Ask, mut reading: Reading) {
        reading.page.index = ask.index;
        if reading.page.rows.is_empty() {
            return self.arrived(ask, reading);
        }
        let is_page = self.paging.start(ask.index) == Some(ask.offset);
        if self.repeats.has_news(&reading.page) {
            self.repeats.go_on();
            for (ask, reading) in std::mem::take(&mut self.withheld) {
                self.arrived(ask, reading);
            }
        } else if is_page {
            self.repeats.note_old(&reading.page);
            return self.withheld.push((ask, reading));
        } else if ask.offset >= self.furthest {
            // Behind the last row there are only rows from before it: that is as good as none.
            self.repeats.note_old(&reading.page);
            reading.page = PageRead { offset: ask.offset, ..PageRead::default() };
            reading.is_empty_behind = true;
        }
        self.arrived(ask, reading);
    }

    fn arrived(&mut self, ask: Ask, reading: Reading) {
        let Reading { mut page, is_empty_behind, is_given_up } = reading;
        page.index = ask.index;
        page.in_parts |= self.paging.start(ask.index) != Some(ask.offset);
        let (stop, until) = (page.stop(), ask.offset.saturating_add(ask.limit));
        let earlier = self.places.remove(&ask.offset);
        if let Some((place, _)) = page.placed().last() {
            self.furthest = self.furthest.max(place + 1);
        }
        if is_given_up {
            self.given_up.insert(ask.index);
        }
        if stop < until {
            let place = self.places.entry(stop).or_default();
            if until > place.until {
                (place.index, place.until) = (ask.index, until);
            }
            place.empties += u32::from(is_empty_behind);
            place.is_stop |= stop > ask.offset;
            if let Some(earlier) = earlier.filter(|_| stop == ask.offset) {
                place.empties += earlier.empties;
                place.is_stop |= earlier.is_stop;
            }
            if !is_empty_behind {
                // One answer; what is read in parts asks on until it is full or nothing comes.
                place.came = page.rows.len() as u32;
            }
        }
        if let Some(earlier) = earlier.filter(|_| !page.rows.is_empty()) {
            self.note_stop(earlier.came);
        }
        if stop > ask.offset {
            self.outbox.push_back(page);
        }
    }

    /// Asks for what is to be read next, or says how the sweep has ended.
    fn ask_on(&mut self) -> Option<Swept> {
        if self.is_cut_short() {
            tracing::warn!("SICANTIK does not answer for the pages that follow in its listing");
            return Some(Swept::CutShort);
        }
        if self.repeats.is_endless() {
            tracing::warn!("SICANTIK lists more rows than there can be");
            return Some(Swept::CutShort);
        }
        if self.repeats.is_hopeless() {
            return Some(self.end(self.furthest));
        }
        self.ask_where_rows_stopped();
        if let Some(rows) = self.cap {
            tracing::info!(rows, "SICANTIK gives so many rows at once, and no more");
            return Some(Swept::Capped { rows });
        }
        let presumed = self.places.range(self.furthest..).next().map(|(at, place)| (*at, *place));
        if let Some((at, _)) = presumed {
            self.forget_behind(at);
        }
        self.ask_for_pages(presumed.map(|(at, _)| at));
        if let Some((at, place)) = presumed {
            let is_all_before = self.asked.range(..at).next().is_none()
                && self.places.range(..at).next().is_none()
                && self.paging.start(self.next).is_none_or(|start| start >= at);
            if is_all_before && place.is_confirmed() {
                return Some(self.end(at));
            }
            if (is_all_before || place.is_stop) && !place.is_confirmed() {
                self.ask(Ask { index: place.index, offset: at, limit: place.until - at });
            }
        }
        // Only where offsets have come to their own end.
        (self.asked.is_empty() && self.outbox.is_empty()).then(|| self.end(self.furthest))
    }

    /// The listing's end, after `end` rows, unless pages only repeat others there.
    fn end(&mut self, end: u32) -> Swept {
        let withheld = std::mem::take(&mut self.withheld);
        if !self.repeats.is_repeating() {
            return Swept::Whole { end };
        }
        let what = self.repeats.repetition();
        if what == Repetition::Any {
            // They show that rows have moved.
            self.outbox.extend(withheld.into_iter().map(|(_, reading)| reading.page));
        }
        Swept::Repeating { what, end }
    }

    /// Goes on at places behind which rows have been seen: a page there is not full, or a stray
    /// answer said that there is nothing.
    fn ask_where_rows_stopped(&mut self) {
        let open: Vec<u32> = self.places.range(..self.furthest).map(|(at, _)| *at).collect();
        for at in open {
            if self.asked.contains_key(&at) {
                continue;
            }
            let place = self.places.get_mut(&at).expect("nothing else removes it");
            let came = std::mem::take(&mut place.came);
            let Place { index, until, empties, .. } = *place;
            self.note_stop(came);
            if empties >= TRIES_OF_A_STRAY {
                tracing::warn!(
                    offset = at,
                    until,
                    "The listing has no rows here, but behind it: they are left out"
                );
                self.places.remove(&at);
                self.outbox.push_back(PageRead::missing(index, at..until));
            } else {
                self.ask(Ask { index, offset: at, limit: until - at });
            }
        }
    }

    /// Notes that the server stopped after `came` rows, not at the end.
    fn note_stop(&mut self, came: u32) {
        if came > 0 {
            let signs = self.caps.entry(came).or_default();
            *signs += 1;
            if *signs == SIGNS_OF_A_CAP {
                self.cap = Some(came);
            }
        }
    }

    /// Gives up what is being read behind the place where the listing seems to end. If it does not
    /// end there, it is asked for again.
    fn forget_behind(&mut self, at: u32) {
        for (offset, (ask, handle)) in self.asked.split_off(&at.saturating_add(1)) {
            handle.abort();
            if self.paging.start(ask.index) == Some(offset) {
                self.next = self.next.min(ask.index);
            }
        }
    }

    fn ask_for_pages(&mut self, presumed_end: Option<u32>) {
        let most = self.server.gate().limits().max_in_flight;
        // Where pages repeat, one at a time shows as much.
        let most = if self.repeats.is_repeating() { 1 } else { most };
        while self.asked.len() + self.outbox.len() < most {
            let Some(offset) = self.paging.start(self.next) else { return };
            if presumed_end.is_some_and(|end| offset > end) {
                return;
            }
            if offset >= self.expected_end {
                if !self.asked.is_empty() || !self.places.is_empty() {
                    return;
                }
                // It may have grown.
                self.expected_end = offset.saturating_add(1);
            }
            let limit = self.paging.limit_of(self.next);
            self.ask(Ask { index: self.next, offset, limit });
            self.next += 1;
        }
    }

    fn ask(&mut self, ask: Ask) {
        if self.asked.contains_key(&ask.offset) {
            return;
        }
        let server = self.server.clone();
        let reading =
            async move { (ask, page::read(&server, ask.offset, ask.limit).await) }.boxed();
        let (handle, registration) = AbortHandle::new_pair();
        self.asked.insert(ask.offset, (ask, handle));
        self.reading.push(Abortable::new(reading, registration));
    }

    fn is_cut_short(&self) -> bool {
        let pages: Vec<u32> = self.given_up.iter().copied().collect();
        pages.windows(GIVEN_UP_IN_A_ROW).any(|row| {
            row.last().is_some_and(|last| (last - row[0]) as usize == GIVEN_UP_IN_A_ROW - 1)
        })
    }
}
