//! Choices that are the same for the same seed.

/// A source of choices (splitmix64).
pub struct Random(Option<u64>);

impl Random {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Random(Some(seed))
    }

    /// One that always chooses the last.
    pub fn plain() -> Self {
        Random(None)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        let Some(state) = &mut self.0 else { return end - 1 };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }

    /// Whether a thing happens that happens once in `count` times.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("an index")].clone()
    }
}
