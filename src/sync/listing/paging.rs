//! Where the pages of a sweep begin, and how long they are.

/// How the listing is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// Rows from one page's beginning to the next's.
    pub step: u32,
    /// Rows of the next page that are asked for with each.
    pub overlap: u32,
    /// Rows by which the first page is shorter, and all others begin earlier; less than `step`.
    pub shift: u32,
}

impl Paging {
    /// Pages of `page_size` rows, a tenth of which overlap in addition, at least 5.
    #[must_use]
    pub fn of(page_size: u32) -> Self {
        let step = page_size.max(1);
        Self { step, overlap: (step / 10).max(5), shift: 0 }
    }

    /// The same for a server that gives at most `limit` rows at once: the overlap is part of these.
    pub(super) fn within(limit: u32) -> Self {
        let limit = limit.max(1);
        let overlap = (limit / 10).max(5).min(limit / 2);
        Self { step: limit - overlap, overlap, shift: 0 }
    }

    /// The same pages, beginning elsewhere in each of several sweeps. MySQL orders rows of one day
    /// differently for each limit and offset, but always the same for the same ones: a row that
    /// falls between two pages would do so again in every sweep.
    pub(super) fn phase(self, sweep: u32) -> Self {
        // 0, 1/2, 1/4, 3/4, 1/8 … of a page.
        let part = u64::from(sweep.reverse_bits());
        let shift = (u64::from(self.step) * part) >> 32;
        Self { shift: u32::try_from(shift).expect("less than the step"), ..self }
    }

    /// Rows that are asked for at once.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.step + self.overlap
    }

    /// Where a page begins; `None` beyond any offset there can be.
    pub(super) fn start(&self, index: u32) -> Option<u32> {
        Some(index.checked_mul(self.step)?.saturating_sub(self.shift))
    }

    /// Rows that a page is asked for.
    pub(super) fn limit_of(&self, index: u32) -> u32 {
        if index == 0 { self.limit() - self.shift } else { self.limit() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sweep_begins_its_pages_elsewhere() {
        let paging = Paging::of(100);
        let shifts: Vec<u32> = (0..6).map(|sweep| paging.phase(sweep).shift).collect();
        assert_eq!(shifts, [0, 50, 25, 75, 12, 62]);
        let shifted = paging.phase(1);
        assert_eq!(
            [shifted.start(0), shifted.start(1), shifted.start(2)],
            [Some(0), Some(50), Some(150)]
        );
        assert_eq!((shifted.limit_of(0), shifted.limit_of(1)), (60, 110));
        assert_eq!(Paging::of(1).phase(3).shift, 0);
    }

    #[test]
    fn no_page_is_longer_than_the_server_allows() {
        for limit in [1, 2, 7, 50, 300] {
            let paging = Paging::within(limit);
            assert_eq!(paging.limit(), limit);
            assert!(paging.step > 0);
        }
    }
}
