//! Scales, zero points and multipliers: how real numbers become the integers of `deja_shared::quant`.

use deja_shared::quant::{INT8, INT16, MULTIPLIER_BITS, SUMMAND_BITS};
use deja_shared::tensor::Width;

use super::calibrate::Range;

/// Greatest scale of a requantization; its multiplier must stay below 2³¹.
pub(super) const GREATEST_FACTOR: f64 = 0.4999;

/// Greatest scale of a summand; its multiplier must stay below 2³¹.
pub(super) const GREATEST_SUMMAND: f64 = 127.0;

/// The real value is `scale · (q − zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// What one step is worth.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i8,
    /// How large integers are.
    pub width: Width,
}

impl Quantization {
    /// The picture: `pixel − 128`, exactly, because x = (pixel − 128)/64.
    pub const PICTURE: Self = Self::eight(1.0 / crate::network::Graph::PIXEL_SCALE, 0);

    /// int8.
    pub const fn eight(scale: f32, zero_point: i8) -> Self {
        Self { scale, zero_point, width: Width::Eight }
    }

    /// int16 around zero.
    pub const fn sixteen(scale: f32) -> Self {
        Self { scale, zero_point: 0, width: Width::Sixteen }
    }

    /// int8 over `range`, which is widened to contain zero (padding must be exact) and until one step is worth at least
    /// `least_scale`. A range that is zero, and whose layer asks for no scale, gets the scale 1.
    pub fn int8(range: Range, least_scale: f64) -> Self {
        let (low, high) = (f64::from(range.low.min(0.0)), f64::from(range.high.max(0.0)));
        let steps = f64::from(INT8.1 - INT8.0);
        let scale = usable(((high - low) / steps).max(least_scale));
        let zero_point = f64::from(INT8.0) - (low / f64::from(scale)).round();
        Self::eight(scale, zero_point.clamp(INT8.0.into(), INT8.1.into()) as i8)
    }

    /// 16 bits around zero, up to `greatest`, with twice the room that `range` needs: an unseen picture may have greater
    /// values, and 14 bits are far more than 8-bit inputs carry.
    pub fn int16(range: Range, greatest: i16, least_scale: f64) -> Self {
        let largest = f64::from(range.low.abs().max(range.high.abs()));
        Self::sixteen(usable((2.0 * largest / f64::from(greatest)).max(least_scale)))
    }

    /// The nearest integer of its width.
    pub fn integer(self, value: f32) -> i32 {
        let (low, high) = if self.width == Width::Eight { INT8 } else { INT16 };
        let q = (f64::from(value) / f64::from(self.scale)).round() + f64::from(self.zero_point);
        q.clamp(low.into(), high.into()) as i32
    }

    /// The nearest int8.
    pub fn quantize(self, value: f32) -> i8 {
        self.integer(value).clamp(INT8.0, INT8.1) as i8
    }

    /// What `q` stands for.
    pub fn dequantize(self, q: i32) -> f32 {
        (f64::from(self.scale) * f64::from(q - i32::from(self.zero_point))) as f32
    }

    /// The nearest value that an integer stands for.
    pub fn round(self, value: f32) -> f32 {
        self.dequantize(self.integer(value))
    }
}

/// `round(factor · 2³²)`, for 0 ≤ factor < ½.
pub(super) fn multiplier(factor: f64) -> i32 {
    (factor * f64::from(MULTIPLIER_BITS).exp2()).round() as i32
}

/// `round(factor · 2²⁴)`, for |factor| < 128: what `deja_shared::quant::scaled` takes.
pub(super) fn summand_factor(factor: f64) -> i32 {
    (factor * f64::from(SUMMAND_BITS).exp2()).round() as i32
}

/// From the steps of one activation to those of another.
pub(super) fn summand_multiplier(from: Quantization, to: Quantization) -> i32 {
    summand_factor(f64::from(from.scale) / f64::from(to.scale))
}

/// A scale that divides: no smaller than the least normal number, and 1 for zero.
fn usable(scale: f64) -> f32 {
    let scale = scale as f32;
    if scale.is_normal() { scale } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_within_the_range_come_back_within_half_a_step(low in -9.0..2.0f32, width in 0.01..20.0f32, at in 0.0..=1.0f32) {
            let range = Range { low, high: low + width };
            let quantization = Quantization::int8(range, 0.0);
            let value = low + at * width;
            let wide = Quantization::int16(range, 2_000, 0.0);
            prop_assert!((wide.round(value) - value).abs() <= 0.501 * wide.scale && wide.integer(value).abs() <= 1_000);
            let back = quantization.dequantize(quantization.quantize(value).into());
            // The zero point is rounded, so an end of the range may lie half a step outside.
            prop_assert!((back - value).abs() <= 1.001 * quantization.scale, "{value} → {back}");
            prop_assert_eq!(quantization.dequantize(quantization.zero_point.into()), 0.0);
        }

        #[test]
        fn factors_below_a_half_fit(factor in 0.0..=GREATEST_FACTOR) {
            prop_assert!((f64::from(multiplier(factor)) / 4_294_967_296.0 - factor).abs() < 1e-9);
        }
    }

    #[test]
    fn an_empty_range_still_has_a_scale() {
        let zero = Range { low: 0.0, high: 0.0 };
        assert_eq!(Quantization::int8(zero, 0.0), Quantization::eight(1.0, -128));
        assert_eq!(Quantization::int8(zero, 0.25), Quantization::eight(0.25, -128));
        assert_eq!(Quantization::int16(zero, 99, 0.0), Quantization::sixteen(1.0));
    }

    #[test]
    fn a_pixel_is_its_own_quantization() {
        for pixel in 0..=255u8 {
            let value = crate::network::interpreter::pixel_value(pixel);
            assert_eq!(i32::from(Quantization::PICTURE.quantize(value)), i32::from(pixel) - 128);
        }
    }
}
