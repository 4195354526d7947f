//! The rounding rule: how a 32-bit accumulator becomes the next layer's value of 8 or 16 bits.

/// Fractional bits of a [`Requantizer`]'s multiplier.
pub const MULTIPLIER_BITS: u32 = 32;

/// Scales an accumulator into the quantization of the next activation, rounding once.
///
/// `q = clamp(zero_point + ((acc · multiplier + 2³¹) >> 32), low, high)`, with
/// `multiplier = round(scale · 2³²)` and `0 ≤ scale < ½`. Ties round towards +∞. On Armv7E-M this is one `SMMLAR`
/// (whose accumulate adds the zero point) and one `SSAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requantizer {
    /// `round(scale · 2³²)`, not negative.
    pub multiplier: i32,
    /// The value that stands for zero in the result.
    pub zero_point: i32,
    /// Least result: the activation's lower bound.
    pub low: i32,
    /// Greatest result: the activation's upper bound.
    pub high: i32,
}

impl Requantizer {
    /// Applies the rule to one accumulator.
    pub fn apply(&self, accumulator: i32) -> i32 {
        self.round(self.product(accumulator))
    }

    /// `accumulator · multiplier`, a term of a sum that [`Requantizer::round`] takes.
    pub fn product(&self, accumulator: i32) -> i64 {
        i64::from(accumulator) * i64::from(self.multiplier)
    }

    /// Applies the rule to a sum of terms in steps of 2⁻³², at most 2⁶² + 2⁵⁶ in magnitude: they are rounded once,
    /// together.
    pub fn round(&self, sum: i64) -> i32 {
        let rounded = (sum + (1 << (MULTIPLIER_BITS - 1))) >> MULTIPLIER_BITS;
        // Not `clamp`, which would have to panic if the bounds were the wrong way round. |rounded| ≤ 2³⁰ + 2²⁴, and the zero point is a small number: the sum fits 32 bits.
        (self.zero_point + rounded as i32).max(self.low).min(self.high)
    }
}

/// Fractional bits of the multiplier that [`scaled`] takes.
pub const SUMMAND_BITS: u32 = 24;

/// The difference of two values of 8 or 16 bits scaled into a term that [`Requantizer::round`] takes: `difference · multiplier · 2⁸`,
/// with `multiplier = round(scale · 2²⁴)` and `|scale| < 128`.
pub fn scaled(difference: i32, multiplier: i32) -> i64 {
    (i64::from(difference) * i64::from(multiplier)) << (MULTIPLIER_BITS - SUMMAND_BITS)
}

/// The bounds of an activation of 8 bits.
pub const INT8: (i32, i32) = (-128, 127);
/// The bounds of an activation of 16 bits, and of the raw embedding.
pub const INT16: (i32, i32) = (-32_767, 32_767);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requantize(accumulator: i32, multiplier: i32, zero_point: i32) -> i32 {
        Requantizer { multiplier, zero_point, low: INT8.0, high: INT8.1 }.apply(accumulator)
    }

    #[test]
    fn golden_vectors() {
        let quarter = 1 << 30;
        // (accumulator, multiplier, zero point, result)
        for (accumulator, multiplier, zero_point, expected) in [
            (0, quarter, 0, 0),
            (1, quarter, 0, 0),
            (2, quarter, 0, 1),  // 0.5 rounds up
            (-2, quarter, 0, 0), // −0.5 rounds up
            (-3, quarter, 0, -1),
            (6, quarter, 0, 2),
            (-6, quarter, 0, -1),
            (400, quarter, 0, 100),
            (400, quarter, 27, 127),
            (400, quarter, 28, 127),
            (-1000, quarter, 3, -128),
            (i32::MAX, i32::MAX, 0, 127),
            (i32::MIN, i32::MAX, 0, -128),
            (123_456, 4_294_967, -5, 118),
            (i32::MAX, 0, -7, -7),
        ] {
            assert_eq!(requantize(accumulator, multiplier, zero_point), expected, "{accumulator} × {multiplier}");
        }
    }

    #[test]
    fn a_summand_of_scale_one_passes_exactly() {
        let requantizer = Requantizer { multiplier: 1 << 30, zero_point: 3, low: INT8.0, high: INT8.1 };
        for q in INT8.0..=INT8.1 {
            assert_eq!(requantizer.round(scaled(q - 3, 1 << SUMMAND_BITS)), q);
        }
        // 7/4 − 1/2 = 1.25, rounded once; each alone would give 2 and 0.
        assert_eq!(requantizer.round(requantizer.product(7) + scaled(-1, 1 << 23)), 4);
        // The greatest terms that the kernels make.
        let greatest = requantizer.product(i32::MIN) * 2 - scaled(255, i32::MAX);
        assert_eq!(requantizer.round(greatest), -128);
    }

    proptest! {
        #[test]
        fn rounds_to_the_nearest(accumulator: i32, multiplier in 0..=i32::MAX, zero_point in -128..=127i32) {
            let exact = f64::from(accumulator) * f64::from(multiplier) / 4_294_967_296.0 + f64::from(zero_point);
            let got = f64::from(requantize(accumulator, multiplier, zero_point));
            prop_assert!((got - exact.clamp(-128.0, 127.0)).abs() <= 0.5 + 1e-6);
        }
    }
}
