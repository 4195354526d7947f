//! Numbers that look random and come again with their seed.

/// Marsaglia's xorshift of 32 bits (2003).
#[derive(Debug, Clone)]
pub struct Random(u32);

impl Random {
    /// Every seed gives another sequence.
    pub fn new(seed: u32) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9) | 1);
        (0..4).for_each(|_| _ = random.next());
        random
    }

    /// Any 32 bits but 0.
    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// From `low` to `high`, both among them.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        let width = (i64::from(high) - i64::from(low) + 1) as u64;
        low + ((u64::from(self.next()) * width) >> 32) as i32
    }

    /// The same for counts.
    pub fn count(&mut self, low: usize, high: usize) -> usize {
        self.between(low as i32, high as i32) as usize
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: i32) -> bool {
        self.between(1, n) == 1
    }

    /// Fills with values from `low` to 127: of any kind, only the ends of the range, or one and the same.
    pub fn fill(&mut self, values: &mut [i8], low: i8) {
        let (low, high) = (i32::from(low), 127);
        match self.between(0, 5) {
            0 => values.iter_mut().for_each(|value| *value = if self.one_in(2) { low } else { high } as i8),
            1 => {
                let value = if self.one_in(2) { low } else { high } as i8;
                values.fill(value);
            }
            _ => values.iter_mut().for_each(|value| *value = self.between(low, high) as i8),
        }
    }

    /// Multipliers of a requantization: small ones, as layers have them, and any.
    pub fn multiplier(&mut self) -> i32 {
        if self.one_in(4) { self.between(0, i32::MAX) } else { self.between(0, 1 << 24) }
    }

    /// A bias: small, or as great as a model may hold it.
    pub fn bias(&mut self) -> i32 {
        if self.one_in(8) { self.between(-(1 << 30), 1 << 30) } else { self.between(-200_000, 200_000) }
    }
}
