//! Bounds narrower than an int8: kernels saturate at 8 bits, and this goes over what they wrote.

use core::arch::asm;

use deja_shared::quant::Requantizer;

use crate::kernels::OutputRange;

/// Brings every value within the range; since that lies within 8 bits, as if it had been clamped at once.
pub fn clamp(values: &mut [i8], range: OutputRange) {
    if (range.low, range.high) == (i8::MIN, i8::MAX) {
        return;
    }
    let [low, high] = [range.low, range.high].map(|bound| u32::from(bound as u8) * 0x0101_0101);
    let (words, rest) = values.as_chunks_mut::<4>();
    for word in words {
        let values = u32::from_le_bytes(word.map(|value| value as u8));
        *word = clamp_four(values, low, high).to_le_bytes().map(|byte| byte as i8);
    }
    for value in rest {
        *value = (*value).max(range.low).min(range.high);
    }
}

impl From<Requantizer> for OutputRange {
    fn from(requantizer: Requantizer) -> Self {
        let [zero_point, low, high] =
            [requantizer.zero_point, requantizer.low, requantizer.high].map(|bound| bound as i8);
        Self { zero_point, low, high }
    }
}

/// Four values, each within the bounds of its byte.
fn clamp_four(mut values: u32, low: u32, high: u32) -> u32 {
    // SAFETY: instructions on registers alone. SSUB8 notes for each byte whether the difference is negative, SEL chooses.
    unsafe {
        asm!(
            "ssub8 {difference}, {values}, {low}",
            "sel {values}, {values}, {low}",
            "ssub8 {difference}, {high}, {values}",
            "sel {values}, {values}, {high}",
            values = inout(reg) values,
            low = in(reg) low,
            high = in(reg) high,
            difference = out(reg) _,
            options(pure, nomem, nostack),
        );
    }
    values
}
