//! The sum of an activation and of another whose channels are scaled.

use super::narrow;
use crate::kernels::cut::extent;
use crate::kernels::{ChannelScale, ChannelScaleAdd};

/// `y[n,c] = round((x[n,c] − zp_x)·(g[c] − zp_g)·multiplier + term(a[n,c]))`.
pub fn channel_scale_add(arguments: ChannelScaleAdd<'_>) {
    let ChannelScaleAdd { map, summand, scale } = arguments;
    let ChannelScale { zero_point, gate, gate_zero_point, requantizer, values } = scale;
    let channels = extent(gate.len());
    // Not zipped, as in `pointwise`.
    let mut maps = map.chunks_exact(channels);
    for row in values.chunks_exact_mut(channels) {
        let Some(map) = maps.next() else { return };
        for ((value, &x), &gate) in row.iter_mut().zip(map).zip(gate) {
            let gate = i32::from(gate) - i32::from(gate_zero_point);
            let product = requantizer.product((i32::from(x) - i32::from(zero_point)) * gate);
            *value = narrow(requantizer.round(product + summand.term(*value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::Summand;
    use proptest::prelude::*;

    /// One channel at a quarter, added to twice a sum around 5: by hand.
    #[test]
    fn golden_vectors() {
        let mut values = [5, 7, -10];
        channel_scale_add(ChannelScaleAdd {
            map: &[3, 1, -128],
            summand: Summand { zero_point: 5, multiplier: 2 << 24 },
            scale: ChannelScale {
                zero_point: 0,
                gate: &[2],
                gate_zero_point: -1,
                requantizer: range(-1, -128, 127).requantizer(QUARTER),
                values: &mut values,
            },
        });
        // 9/4 + 0 = 2.25; 3/4 + 4 = 4.75; −96 − 30; each minus 1.
        assert_eq!(values, [1, 4, -127]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            (gate, map, sum) in (1..9usize, 1..6usize).prop_flat_map(|(c, n)| (values(c), values(n * c), values(n * c))),
            (zero_point, gate_zero_point, sum_zero_point) in any::<(i8, i8, i8)>(),
            (range, multiplier, sum_multiplier) in (output_range(), 0..=i32::MAX, summand_multiplier()),
        ) {
            let mut results = sum.clone();
            let requantizer = range.requantizer(multiplier);
            let scale = ChannelScale { zero_point, gate: &gate, gate_zero_point, requantizer, values: &mut results };
            let summand = Summand { zero_point: sum_zero_point, multiplier: sum_multiplier };
            channel_scale_add(ChannelScaleAdd { map: &map, summand, scale });
            for (index, &result) in results.iter().enumerate() {
                let gate = i128::from(gate[index % gate.len()]) - i128::from(gate_zero_point);
                let product = (i128::from(map[index]) - i128::from(zero_point)) * gate * i128::from(multiplier);
                let summand = (i128::from(sum[index]) - i128::from(sum_zero_point)) * i128::from(sum_multiplier) * 256;
                prop_assert_eq!(i64::from(result), twin_round(product + summand, bounds(range)));
            }
        }
    }
}
