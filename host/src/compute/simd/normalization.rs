//! Batch norm and activation, forward and backward, a register of channels at a time over all positions.

use super::lanes::Lanes;
use crate::compute::{Affine, Combination, Moments, Pullback};

/// See [`Affine`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Affine::check`] accepts.
#[inline(always)]
pub unsafe fn affine<L: Lanes>(map: &Affine, input: &[f32], output: &mut [f32]) {
    let channels = map.scale.len();
    for channel in (0..channels).step_by(L::N) {
        let rows = Rows { channels, channel, count: input.len() / channels };
        let (z, y) = (input.as_ptr(), output.as_mut_ptr());
        // SAFETY: as the caller vouches; channels beyond the last are masked.
        unsafe {
            if rows.whole::<L>() { rows.affine::<L, true>(map, z, y) } else { rows.affine::<L, false>(map, z, y) }
        }
    }
}

/// See [`Moments`]: Σz and Σz².
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Moments::check`] accepts.
#[inline(always)]
pub unsafe fn moments<L: Lanes>(input: &[f32], mut sums: Moments) {
    let channels = sums.first.len();
    for channel in (0..channels).step_by(L::N) {
        let rows = Rows { channels, channel, count: input.len() / channels };
        // SAFETY: as the caller vouches; channels beyond the last are masked.
        unsafe {
            if rows.whole::<L>() {
                rows.moments::<L, true>(input.as_ptr(), &mut sums);
            } else {
                rows.moments::<L, false>(input.as_ptr(), &mut sums);
            }
        }
    }
}

/// See [`Pullback`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Pullback::check`] accepts.
#[inline(always)]
pub unsafe fn pull_back<L: Lanes>(map: &Pullback, input: &[f32], gradient: &mut [f32], mut sums: Moments) {
    let channels = map.affine.scale.len();
    for channel in (0..channels).step_by(L::N) {
        let rows = Rows { channels, channel, count: input.len() / channels };
        let (z, g) = (input.as_ptr(), gradient.as_mut_ptr());
        // SAFETY: as the caller vouches; channels beyond the last are masked.
        unsafe {
            if rows.whole::<L>() {
                rows.pull_back::<L, true>(map, z, g, &mut sums);
            } else {
                rows.pull_back::<L, false>(map, z, g, &mut sums);
            }
        }
    }
}

/// See [`Combination`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Combination::check`] accepts.
#[inline(always)]
pub unsafe fn combine<L: Lanes>(factors: &Combination, gradient: &[f32], input: &[f32], output: &mut [f32]) {
    let channels = factors.a.len();
    for channel in (0..channels).step_by(L::N) {
        let rows = Rows { channels, channel, count: input.len() / channels };
        let (g, z, out) = (gradient.as_ptr(), input.as_ptr(), output.as_mut_ptr());
        // SAFETY: as the caller vouches; channels beyond the last are masked.
        unsafe {
            if rows.whole::<L>() {
                rows.combine::<L, true>(factors, g, z, out);
            } else {
                rows.combine::<L, false>(factors, g, z, out);
            }
        }
    }
}

/// One register of channels of every row.
#[derive(Clone, Copy)]
struct Rows {
    channels: usize,
    channel: usize,
    count: usize,
}

impl Rows {
    fn whole<L: Lanes>(&self) -> bool {
        self.channel + L::N <= self.channels
    }

    /// The mask of this register's channels.
    #[inline(always)]
    unsafe fn mask<L: Lanes>(&self) -> L::Mask {
        // SAFETY: the caller has the instruction set.
        unsafe { L::mask((self.channels - self.channel).min(L::N)) }
    }

    /// This register's part of a per-channel array.
    #[inline(always)]
    unsafe fn of<L: Lanes, const WHOLE: bool>(&self, values: &[f32]) -> L {
        // SAFETY: `values` has one value a channel; the mask ends the last register.
        unsafe { L::load_if::<WHOLE>(values.as_ptr().wrapping_add(self.channel), self.mask::<L>()) }
    }

    /// Adds two registers each to both sums.
    #[inline(always)]
    unsafe fn add_to<L: Lanes, const WHOLE: bool>(&self, sums: &mut Moments, first: [L; 2], second: [L; 2]) {
        // SAFETY: both sums have one value a channel; the mask ends the last register.
        unsafe {
            for (total, [even, odd]) in [(&mut *sums.first, first), (&mut *sums.second, second)] {
                let to = total.as_mut_ptr().wrapping_add(self.channel);
                let before = L::load_if::<WHOLE>(to, self.mask::<L>());
                before.add(even.add(odd)).store_if::<WHOLE>(to, self.mask::<L>());
            }
        }
    }

    #[inline(always)]
    unsafe fn affine<L: Lanes, const WHOLE: bool>(&self, map: &Affine, z: *const f32, y: *mut f32) {
        // SAFETY: each row is inside both arrays.
        unsafe {
            let mask = self.mask::<L>();
            let (scale, shift) = (self.of::<L, WHOLE>(map.scale), self.of::<L, WHOLE>(map.shift));
            let (low, high) = (L::splat(map.low), L::splat(map.high));
            for row in 0..self.count {
                let at = row * self.channels + self.channel;
                let value = L::load_if::<WHOLE>(z.wrapping_add(at), mask).mul_add(scale, shift);
                value.max(low).min(high).store_if::<WHOLE>(y.wrapping_add(at), mask);
            }
        }
    }

    #[inline(always)]
    unsafe fn moments<L: Lanes, const WHOLE: bool>(&self, z: *const f32, sums: &mut Moments) {
        // SAFETY: each row is inside the array.
        unsafe {
            let mask = self.mask::<L>();
            let (mut first, mut second) = ([L::zero(); 2], [L::zero(); 2]);
            for row in 0..self.count {
                let z = L::load_if::<WHOLE>(z.wrapping_add(row * self.channels + self.channel), mask);
                first[row % 2] = first[row % 2].add(z);
                second[row % 2] = z.mul_add(z, second[row % 2]);
            }
            self.add_to::<L, WHOLE>(sums, first, second);
        }
    }

    #[inline(always)]
    unsafe fn pull_back<L: Lanes, const WHOLE: bool>(
        &self,
        map: &Pullback,
        z: *const f32,
        g: *mut f32,
        sums: &mut Moments,
    ) {
        // SAFETY: each row is inside both arrays.
        unsafe {
            let mask = self.mask::<L>();
            let (scale, shift) = (self.of::<L, WHOLE>(map.affine.scale), self.of::<L, WHOLE>(map.affine.shift));
            let (unit, offset) = (self.of::<L, WHOLE>(map.unit), self.of::<L, WHOLE>(map.offset));
            let (low, high) = (L::splat(map.affine.low), L::splat(map.affine.high));
            let (mut first, mut second) = ([L::zero(); 2], [L::zero(); 2]);
            for row in 0..self.count {
                let at = row * self.channels + self.channel;
                let z = L::load_if::<WHOLE>(z.wrapping_add(at), mask);
                let gradient = L::load_if::<WHOLE>(g.wrapping_add(at), mask);
                let gradient = gradient.where_inside(z.mul_add(scale, shift), low, high);
                gradient.store_if::<WHOLE>(g.wrapping_add(at), mask);
                first[row % 2] = first[row % 2].add(gradient);
                second[row % 2] = gradient.mul_add(z.mul_add(unit, offset), second[row % 2]);
            }
            self.add_to::<L, WHOLE>(sums, first, second);
        }
    }

    #[inline(always)]
    unsafe fn combine<L: Lanes, const WHOLE: bool>(
        &self,
        factors: &Combination,
        g: *const f32,
        z: *const f32,
        out: *mut f32,
    ) {
        // SAFETY: each row is inside all three arrays.
        unsafe {
            let mask = self.mask::<L>();
            let a = self.of::<L, WHOLE>(factors.a);
            let (b, k) = (self.of::<L, WHOLE>(factors.b), self.of::<L, WHOLE>(factors.k));
            for row in 0..self.count {
                let at = row * self.channels + self.channel;
                let constant = L::load_if::<WHOLE>(z.wrapping_add(at), mask).mul_add(b, k);
                let value = L::load_if::<WHOLE>(g.wrapping_add(at), mask).mul_add(a, constant);
                value.store_if::<WHOLE>(out.wrapping_add(at), mask);
            }
        }
    }
}
