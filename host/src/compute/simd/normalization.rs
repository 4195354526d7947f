//! Batch norm and activation, forward and backward: a strip of neighbouring channels at a time over all positions.
//!
//! A strip's coefficients stay in registers, and strips are as wide as the registers allow, because these kernels read
//! activations from main memory and neighbouring lines come cheapest.

use super::lanes::Lanes;
use crate::compute::{Affine, Combination, Moments, Pullback};

/// Calls `$function::<L, J, WHOLE>` for strips of J registers until no channel is left.
macro_rules! for_each_strip {
    ($channels:expr, $len:expr, $function:ident($($argument:expr),*)) => {
        let mut channel = 0;
        while channel < $channels {
            let rest = ($channels - channel).div_ceil(L::N);
            let registers = if L::ROWS == 8 && rest >= 6 { 6 } else { rest.min(3) };
            let width = (registers * L::N).min($channels - channel);
            let last = width - (registers - 1) * L::N;
            let rows = Rows { channels: $channels, channel, last, count: $len / $channels };
            // SAFETY: as the caller vouches; channels beyond the last are masked.
            unsafe {
                match (registers, last == L::N) {
                    (6, true) => rows.$function::<L, 6, true>($($argument),*),
                    (6, false) => rows.$function::<L, 6, false>($($argument),*),
                    (3, true) => rows.$function::<L, 3, true>($($argument),*),
                    (3, false) => rows.$function::<L, 3, false>($($argument),*),
                    (2, true) => rows.$function::<L, 2, true>($($argument),*),
                    (2, false) => rows.$function::<L, 2, false>($($argument),*),
                    (_, true) => rows.$function::<L, 1, true>($($argument),*),
                    (_, false) => rows.$function::<L, 1, false>($($argument),*),
                }
            }
            channel += width;
        }
    };
}

pub(super) use for_each_strip;

/// See [`Affine`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Affine::check`] accepts.
#[inline(always)]
pub unsafe fn affine<L: Lanes>(map: &Affine, input: &[f32], output: &mut [f32]) {
    let (z, y) = (input.as_ptr(), output.as_mut_ptr());
    for_each_strip!(map.scale.len(), input.len(), affine(map, z, y));
}

/// See [`Moments`]: Σz and Σz².
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Moments::check`] accepts.
#[inline(always)]
pub unsafe fn moments<L: Lanes>(input: &[f32], mut sums: Moments) {
    let z = input.as_ptr();
    for_each_strip!(sums.first.len(), input.len(), moments(z, &mut sums));
}

/// See [`Pullback`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Pullback::check`] accepts.
#[inline(always)]
pub unsafe fn pull_back<L: Lanes>(map: &Pullback, input: &[f32], gradient: &mut [f32], mut sums: Moments) {
    let (z, g) = (input.as_ptr(), gradient.as_mut_ptr());
    for_each_strip!(map.unit.len(), input.len(), pull_back(map, z, g, &mut sums));
}

/// See [`Combination`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Combination::check`] accepts.
#[inline(always)]
pub unsafe fn combine<L: Lanes>(factors: &Combination, gradient: &[f32], input: &[f32], output: &mut [f32]) {
    let (g, z, out) = (gradient.as_ptr(), input.as_ptr(), output.as_mut_ptr());
    for_each_strip!(factors.a.len(), input.len(), combine(factors, g, z, out));
}

/// A strip of channels of every row.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) channels: usize,
    pub(super) channel: usize,
    /// Channels in the strip's last register.
    pub(super) last: usize,
    pub(super) count: usize,
}

impl Rows {
    /// J registers from `from`, the last one partial unless `WHOLE`.
    #[inline(always)]
    pub(super) unsafe fn load<L: Lanes, const J: usize, const WHOLE: bool>(&self, from: *const f32) -> [L; J] {
        // SAFETY: the caller points to the strip's channels of a row.
        unsafe {
            let mut values = [L::zero(); J];
            for (j, value) in values.iter_mut().enumerate() {
                let from = from.wrapping_add(j * L::N);
                *value = if j + 1 == J { L::load_if::<WHOLE>(from, L::mask(self.last)) } else { L::load(from) };
            }
            values
        }
    }

    /// Stores what [`Self::load`] loads.
    #[inline(always)]
    pub(super) unsafe fn store<L: Lanes, const J: usize, const WHOLE: bool>(&self, values: [L; J], to: *mut f32) {
        // SAFETY: the caller points to the strip's channels of a row.
        unsafe {
            for (j, value) in values.into_iter().enumerate() {
                let to = to.wrapping_add(j * L::N);
                if j + 1 == J { value.store_if::<WHOLE>(to, L::mask(self.last)) } else { value.store(to) }
            }
        }
    }

    /// The strip's part of a per-channel array.
    #[inline(always)]
    pub(super) unsafe fn of<L: Lanes, const J: usize, const WHOLE: bool>(&self, values: &[f32]) -> [L; J] {
        // SAFETY: `values` has one value a channel.
        unsafe { self.load::<L, J, WHOLE>(values.as_ptr().wrapping_add(self.channel)) }
    }

    /// Adds the strip's sums to the totals.
    #[inline(always)]
    unsafe fn add_to<L: Lanes, const J: usize, const WHOLE: bool>(&self, sums: &mut Moments, parts: [[L; J]; 2]) {
        // SAFETY: both totals have one value a channel.
        unsafe {
            for (total, part) in [&mut *sums.first, &mut *sums.second].into_iter().zip(parts) {
                let to = total.as_mut_ptr().wrapping_add(self.channel);
                let mut values = self.load::<L, J, WHOLE>(to);
                for j in 0..J {
                    values[j] = values[j].add(part[j]);
                }
                self.store::<L, J, WHOLE>(values, to);
            }
        }
    }

    #[inline(always)]
    unsafe fn affine<L: Lanes, const J: usize, const WHOLE: bool>(self, map: &Affine, z: *const f32, y: *mut f32) {
        // SAFETY: each row is inside both arrays.
        unsafe {
            let (scale, shift) = (self.of::<L, J, WHOLE>(map.scale), self.of::<L, J, WHOLE>(map.shift));
            let (low, high) = (L::splat(map.low), L::splat(map.high));
            let mut at = self.channel;
            for _ in 0..self.count {
                let mut values = self.load::<L, J, WHOLE>(z.wrapping_add(at));
                for j in 0..J {
                    values[j] = values[j].mul_add(scale[j], shift[j]).max(low).min(high);
                }
                self.store::<L, J, WHOLE>(values, y.wrapping_add(at));
                at += self.channels;
            }
        }
    }

    #[inline(always)]
    unsafe fn moments<L: Lanes, const J: usize, const WHOLE: bool>(self, z: *const f32, sums: &mut Moments) {
        // SAFETY: each row is inside the array.
        unsafe {
            let [mut first, mut second] = [[L::zero(); J]; 2];
            let mut at = self.channel;
            for _ in 0..self.count {
                let z = self.load::<L, J, WHOLE>(z.wrapping_add(at));
                for j in 0..J {
                    first[j] = first[j].add(z[j]);
                    second[j] = z[j].mul_add(z[j], second[j]);
                }
                at += self.channels;
            }
            self.add_to::<L, J, WHOLE>(sums, [first, second]);
        }
    }

    #[inline(always)]
    unsafe fn pull_back<L: Lanes, const J: usize, const WHOLE: bool>(
        self,
        map: &Pullback,
        z: *const f32,
        g: *mut f32,
        sums: &mut Moments,
    ) {
        // SAFETY: each row is inside both arrays.
        unsafe {
            let [scale, shift] = [map.affine.scale, map.affine.shift].map(|values| self.of::<L, J, WHOLE>(values));
            let [unit, offset] = [map.unit, map.offset].map(|values| self.of::<L, J, WHOLE>(values));
            let (low, high) = (L::splat(map.affine.low), L::splat(map.affine.high));
            let [mut first, mut second] = [[L::zero(); J]; 2];
            let mut at = self.channel;
            for _ in 0..self.count {
                let z = self.load::<L, J, WHOLE>(z.wrapping_add(at));
                let mut gradient = self.load::<L, J, WHOLE>(g.wrapping_add(at));
                for j in 0..J {
                    gradient[j] = gradient[j].where_inside(z[j].mul_add(scale[j], shift[j]), low, high);
                    first[j] = first[j].add(gradient[j]);
                    second[j] = gradient[j].mul_add(z[j].mul_add(unit[j], offset[j]), second[j]);
                }
                self.store::<L, J, WHOLE>(gradient, g.wrapping_add(at));
                at += self.channels;
            }
            self.add_to::<L, J, WHOLE>(sums, [first, second]);
        }
    }

    #[inline(always)]
    unsafe fn combine<L: Lanes, const J: usize, const WHOLE: bool>(
        self,
        factors: &Combination,
        g: *const f32,
        z: *const f32,
        out: *mut f32,
    ) {
        // SAFETY: each row is inside all three arrays.
        unsafe {
            let a = self.of::<L, J, WHOLE>(factors.a);
            let (b, k) = (self.of::<L, J, WHOLE>(factors.b), self.of::<L, J, WHOLE>(factors.k));
            let mut at = self.channel;
            for _ in 0..self.count {
                let z = self.load::<L, J, WHOLE>(z.wrapping_add(at));
                let mut values = self.load::<L, J, WHOLE>(g.wrapping_add(at));
                for j in 0..J {
                    values[j] = values[j].mul_add(a[j], z[j].mul_add(b[j], k[j]));
                }
                self.store::<L, J, WHOLE>(values, out.wrapping_add(at));
                at += self.channels;
            }
        }
    }
}
