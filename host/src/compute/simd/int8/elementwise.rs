//! The sum of two activations, and the mean over positions.

use super::lanes::ByteLanes;
use crate::compute::int8::{Add, Pool};

/// Panics unless all that [`add`] reads and writes is there.
pub fn check_add(job: &Add<'_>) {
    let (output, to) = (&job.output.0, job.output.1);
    to.check(output);
    for (input, from) in &job.inputs {
        from.check(input);
        assert_eq!([from.height, from.width, from.channels], [to.height, to.width, to.channels], "extents");
    }
}

/// Panics unless all that [`pool`] reads and writes is there.
pub fn check_pool(job: &Pool<'_>) {
    job.input.1.check(job.input.0);
    assert!(job.output.len() >= job.input.1.channels, "output channels");
}

/// See `deja_firmware::kernels::reference::add`.
///
/// # Safety
/// Needs the instruction set of `L`, and a job that [`check_add`] accepts.
#[inline(always)]
pub unsafe fn add<L: ByteLanes>(job: Add<'_>) {
    let ([(a, from_a), (b, from_b)], (output, to)) = (job.inputs, job.output);
    // Bytes are greater by 128 than the values.
    let offset = job.factors.map(|factor| 128 * i32::from(factor));
    let bias = job.bias.wrapping_sub(offset[0]).wrapping_sub(offset[1]);
    // SAFETY: as the caller vouches; loads end in the slack, stores with the last channel.
    unsafe {
        let (range, multipliers, bias) = uniform::<L>(job.range, job.multiplier, bias);
        for row in 0..to.height {
            let (a, b) = (a.as_ptr().wrapping_add(from_a.at(row, 0)), b.as_ptr().wrapping_add(from_b.at(row, 0)));
            let y = output.as_mut_ptr().wrapping_add(to.at(row, 0));
            for at in (0..to.row()).step_by(4 * L::N) {
                let zero = L::byte(0);
                let woven = L::weave([L::load(a.wrapping_add(at)), zero, L::load(b.wrapping_add(at)), zero]);
                let mut values = [bias; 4];
                for (value, woven) in values.iter_mut().zip(woven) {
                    *value = L::requantize(L::pairs(bias, woven, job.factors), multipliers, range);
                }
                L::store_woven(values, range, y.wrapping_add(at), to.row() - at);
            }
        }
    }
}

/// See `deja_firmware::kernels::reference::global_average_pool`.
///
/// # Safety
/// Needs the instruction set of `L`, and a job that [`check_pool`] accepts.
#[inline(always)]
pub unsafe fn pool<L: ByteLanes>(job: Pool<'_>) {
    let (input, from) = job.input;
    let ones = [1_i8; 64];
    let positions = from.height * from.width;
    let bias = job.bias.wrapping_sub(L::OFFSET.wrapping_mul(positions as i32));
    for channel in (0..from.channels).step_by(4 * L::N) {
        // SAFETY: as the caller vouches; loads end in the slack, stores with the last channel.
        unsafe {
            let (range, multipliers, bias) = uniform::<L>(job.range, job.multiplier, bias);
            let ones = L::weights(ones.as_ptr());
            // A byte that adds nothing.
            let nothing = L::byte((128 - L::OFFSET) as u8);
            let mut sums = [bias; 4];
            let mut rows = [nothing; 4];
            for position in 0..positions {
                let at = from.at(position / from.width, position % from.width) + channel;
                rows[position % 4] = L::load(input.as_ptr().wrapping_add(at));
                if position % 4 == 3 || position + 1 == positions {
                    for (sum, woven) in sums.iter_mut().zip(L::weave(rows)) {
                        *sum = L::dot(*sum, woven, ones);
                    }
                    rows = [nothing; 4];
                }
            }
            for sums in &mut sums {
                *sums = L::requantize(*sums, multipliers, range);
            }
            let to = job.output.as_mut_ptr().wrapping_add(channel);
            L::store_woven(sums, range, to, from.channels - channel);
        }
    }
}

/// Constants that are the same for every channel.
#[inline(always)]
unsafe fn uniform<L: ByteLanes>(
    range: deja_firmware::kernels::OutputRange,
    multiplier: i32,
    bias: i32,
) -> (L::Range, L::Multipliers, L::Sums) {
    let (multipliers, biases) = ([multiplier; 16], [bias; 16]);
    // SAFETY: no register has more than 16 accumulators; the caller has the instruction set.
    unsafe { (L::range(range), L::multipliers(multipliers.as_ptr()), L::sums(biases.as_ptr())) }
}
