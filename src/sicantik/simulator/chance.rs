//! Reproducible randomness: everything here is a function of its input, so that the same seed makes
//! the same data and the same faults, in whatever order requests arrive.

/// Scrambles 64 bits so that neighbouring inputs have nothing in common (the finaliser of
/// splitmix64).
fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One number from several.
pub(super) fn mix(values: &[u64]) -> u64 {
    values.iter().fold(0x9e37_79b9_7f4a_7c15, |state, value| {
        scramble(state.wrapping_mul(0x0000_0100_0000_01b3) ^ scramble(value.wrapping_add(state)))
    })
}

/// One number from bytes; the standard library's hasher may change between compilers.
pub(super) fn mix_bytes(bytes: &[u8]) -> u64 {
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    scramble(sum)
}

/// A number in `0.0..1.0` from a mixed one.
pub(super) fn unit(mixed: u64) -> f64 {
    // A double holds 53 bits exactly.
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// A sequence of draws for one permit and one topic.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(key: &[u64]) -> Self {
        Self(mix(key))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }

    /// A number in `0..limit`; 0 when `limit` is 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// True `per_mille` times in a thousand.
    pub(super) fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }
}
