//! How dense weights lie: output channels in pairs, the two of a pair interleaved tap by tap.
//!
//! One layout serves every core. A 32-bit load gives two taps of two channels, which `SXTB16` takes apart on Armv7E-M;
//! `VLD20`/`VLD21` take 32 bytes apart into 16 taps of each channel on Armv8.1-M; plain loops read every second byte.
//!
//! ```text
//! [pair of outputs][tap][2]      taps: [kernel_height][kernel_width][channel of the group], padded with zeros to a
//!                                multiple of 4; an odd last output is paired with zeros
//! ```

/// Taps of a filter with the zeros behind them.
pub const fn padded(fan_in: usize) -> usize {
    fan_in.next_multiple_of(4)
}

/// Bytes of `outputs` filters of `fan_in` taps each.
pub const fn bytes(outputs: usize, fan_in: usize) -> usize {
    outputs.next_multiple_of(2) * padded(fan_in)
}

/// Where the weight of a tap of an output stands.
pub const fn place(output: usize, tap: usize, fan_in: usize) -> usize {
    output / 2 * 2 * padded(fan_in) + 2 * tap + output % 2
}

/// Writes filters `[outputs][taps]` into [`bytes`] zeros.
pub fn interleave(filters: &[i8], outputs: usize, zeros: &mut [i8]) {
    let fan_in = filters.len() / outputs.max(1);
    for (output, filter) in filters.chunks_exact(fan_in.max(1)).enumerate() {
        for (tap, &weight) in filter.iter().enumerate() {
            zeros[place(output, tap, fan_in)] = weight;
        }
    }
}

/// One output's weights within those of its pair.
#[derive(Debug, Clone, Copy)]
pub struct Filter<'a> {
    /// From its own first weight on: every second one is its own.
    interleaved: &'a [i8],
    fan_in: usize,
}

impl<'a> Filter<'a> {
    /// The filter of `output` among `weights` in pairs; without taps where they do not hold it.
    pub fn of(weights: &'a [i8], output: usize, fan_in: usize) -> Self {
        let interleaved = weights.get(place(output, 0, fan_in)..).unwrap_or_default();
        Self { interleaved, fan_in }
    }

    /// Its weights from the first to the last tap.
    pub fn taps(&self) -> impl Iterator<Item = i8> + use<'a> {
        self.interleaved.iter().step_by(2).take(self.fan_in).copied()
    }

    /// The part of it with these taps, which must be among its own.
    pub fn part(&self, taps: core::ops::Range<usize>) -> Self {
        let interleaved = self.interleaved.get(2 * taps.start..).unwrap_or_default();
        Self { interleaved, fan_in: taps.len() }
    }

    /// Σ xᵢ·wᵢ, modulo 2³².
    pub fn dot(&self, values: &[i8]) -> i32 {
        let products = values.iter().zip(self.taps()).map(|(&x, w)| i32::from(x) * i32::from(w));
        products.fold(0, i32::wrapping_add)
    }

    /// The same, of values of 16 bits as [`crate::tensor::Values`] holds them.
    pub fn dot_wide(&self, values: &[[u8; 2]]) -> i32 {
        let products = values.iter().zip(self.taps()).map(|(&x, w)| i32::from(i16::from_le_bytes(x)) * i32::from(w));
        products.fold(0, i32::wrapping_add)
    }

    /// Σ wᵢ, modulo 2³².
    pub fn sum(&self) -> i32 {
        self.taps().map(i32::from).fold(0, i32::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_filters_of_five_taps() {
        let filters = [1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 21, 22, 23, 24, 25];
        let mut packed = [0; bytes(3, 5)];
        interleave(&filters, 3, &mut packed);
        assert_eq!(packed[..16], [1, 11, 2, 12, 3, 13, 4, 14, 5, 15, 0, 0, 0, 0, 0, 0]);
        assert_eq!(packed[16..], [21, 0, 22, 0, 23, 0, 24, 0, 25, 0, 0, 0, 0, 0, 0, 0]);
        for (output, filter) in filters.chunks(5).enumerate() {
            let found = Filter::of(&packed, output, 5);
            assert!(found.taps().eq(filter.iter().copied()));
            assert!(found.part(1..3).taps().eq(filter[1..3].iter().copied()));
            assert_eq!(found.sum(), filter.iter().map(|&w| i32::from(w)).sum());
            let wide = [400i16, -32_767, 0].map(i16::to_le_bytes);
            assert_eq!(found.part(2..5).dot_wide(&wide), 400 * i32::from(filter[2]) - 32_767 * i32::from(filter[3]));
            assert_eq!(found.part(2..5).dot(&[1, -1, 2]), i32::from(filter[2] - filter[3]) + 2 * i32::from(filter[4]));
        }
    }

    #[test]
    fn a_filter_that_is_not_there_has_no_taps() {
        assert_eq!(Filter::of(&[1, 2], 2, 4).taps().count(), 0);
    }
}
