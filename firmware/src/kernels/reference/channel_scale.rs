//! An activation whose channels are scaled.

use super::narrow;
use crate::kernels::ChannelScale;
use crate::kernels::cut::extent;

/// `y[n,c] = requantize((x[n,c] − zp_x)·(g[c] − zp_g))`.
pub fn channel_scale(arguments: ChannelScale<'_>) {
    let ChannelScale { zero_point, gate, gate_zero_point, requantizer, values } = arguments;
    for row in values.chunks_exact_mut(extent(gate.len())) {
        for (value, &gate) in row.iter_mut().zip(gate) {
            let gate = i32::from(gate) - i32::from(gate_zero_point);
            *value = narrow(requantizer.apply((i32::from(*value) - i32::from(zero_point)) * gate));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use proptest::prelude::*;

    /// Two channels with gates of 8 and 254 steps, at a quarter: by hand.
    #[test]
    fn golden_vectors() {
        let mut values = [1, 1, 3, 0, 127, -128];
        channel_scale(ChannelScale {
            zero_point: 1,
            gate: &[-120, 126],
            gate_zero_point: -128,
            requantizer: range(2, -50, 100).requantizer(QUARTER),
            values: &mut values,
        });
        // 0; 2·8/4 = 4 and −254/4 = −63.5; 126·8/4 = 252 and −129·254/4; each plus 2.
        assert_eq!(values, [2, 2, 6, -50, 100, -50]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            (gate, input) in (1..9usize, 1..6usize).prop_flat_map(|(c, n)| (values(c), values(n * c))),
            (zero_point, gate_zero_point) in any::<(i8, i8)>(),
            (range, multiplier) in (output_range(), 0..=i32::MAX),
        ) {
            let mut scaled = input.clone();
            let requantizer = range.requantizer(multiplier);
            channel_scale(ChannelScale { zero_point, gate: &gate, gate_zero_point, requantizer, values: &mut scaled });
            for (index, (&result, &x)) in scaled.iter().zip(&input).enumerate() {
                let gate = i64::from(gate[index % gate.len()]) - i64::from(gate_zero_point);
                let product = (i64::from(x) - i64::from(zero_point)) * gate;
                prop_assert_eq!(i64::from(result), twin_requantize(product, multiplier, bounds(range)));
            }
        }
    }
}
