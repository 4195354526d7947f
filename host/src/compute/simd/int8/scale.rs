//! Channels scaled by a gate, and the sum of that with another activation.

use super::lanes::ByteLanes;
use crate::compute::int8::{Scale, biased};

/// Panics unless all that [`scale`] reads and writes is there.
pub fn check(job: &Scale<'_>) {
    let (output, to) = (&job.output.0, job.output.1);
    to.check(output);
    let summand = job.summand.map(|(bytes, layout, _)| (bytes, layout));
    for (bytes, from) in [job.input].into_iter().chain(summand) {
        from.check(bytes);
        assert_eq!([from.height, from.width, from.channels], [to.height, to.width, to.channels], "extents");
    }
    assert!(job.gate.len() >= to.channels, "a factor for each channel");
}

/// See `deja_firmware::kernels::reference::channel_scale` and `channel_scale_add`.
///
/// # Safety
/// Needs the instruction set of `L`, and a job that [`check`] accepts.
#[inline(always)]
pub unsafe fn scale<L: ByteLanes>(job: Scale<'_>) {
    let ((input, from), (output, to)) = (job.input, job.output);
    let [zero_point, gate_zero_point] = job.zero_points.map(|zero_point| i32::from(biased(zero_point)));
    let mut gate: Vec<i32> = job.gate[..to.channels].iter().map(|g| i32::from(*g) - gate_zero_point).collect();
    gate.resize(to.channels.next_multiple_of(L::N), 0);
    // SAFETY: as the caller vouches; loads end in the slack, stores with the last channel.
    unsafe {
        let (range, zero) = (L::range(job.range), L::all(zero_point));
        let multipliers = L::multipliers([job.multiplier; 16].as_ptr());
        let summand = match job.summand {
            None => None,
            Some((bytes, layout, rule)) => {
                let factors = L::multipliers([rule.multiplier; 16].as_ptr());
                Some((bytes.as_ptr(), layout, L::all(biased(rule.zero_point).into()), factors))
            }
        };
        for position in 0..to.height * to.width {
            let (row, column) = (position / to.width, position % to.width);
            let x = input.as_ptr().wrapping_add(from.at(row, column));
            let y = output.as_mut_ptr().wrapping_add(to.at(row, column));
            for channel in (0..to.channels).step_by(L::N) {
                let value = L::subtract(L::widen(x.wrapping_add(channel)), zero);
                let product = L::multiply(value, L::sums(gate.as_ptr().wrapping_add(channel)));
                let values = match &summand {
                    None => L::requantize(product, multipliers, range),
                    Some((bytes, layout, zero, factors)) => {
                        let a = L::widen(bytes.wrapping_add(layout.at(row, column) + channel));
                        L::requantize_with(product, multipliers, (L::subtract(a, *zero), *factors), range)
                    }
                };
                L::store(values, range, y.wrapping_add(channel), to.channels - channel);
            }
        }
    }
}
