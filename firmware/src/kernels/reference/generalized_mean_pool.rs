//! The root of the mean of powers over all positions.

use super::entry;
use crate::kernels::GeneralizedMeanPool;
use crate::kernels::cut::extent;

/// `y[c] = clamp(−128 + #{t : t ≤ Σ power[x[i,j,c]]})`: the thresholds t are where the root passes from one step of the
/// output to the next.
pub fn generalized_mean_pool(arguments: GeneralizedMeanPool<'_>) {
    let GeneralizedMeanPool { input, table, range, output } = arguments;
    // `Model::parse` admits no other table.
    let Some((powers, thresholds)) = table.split_first_chunk::<256>() else { return };
    let channels = extent(input.shape.channels);
    for (channel, result) in output.iter_mut().enumerate() {
        let values = input.data.iter().skip(channel).step_by(channels);
        let sum = values.map(|&value| powers[entry(value)]).fold(0, u64::wrapping_add);
        let passed = thresholds.partition_point(|&threshold| threshold <= sum);
        // At most 255 thresholds: the result lies in −128..=127.
        *result = ((passed as i32 - 128) as i8).max(range.low).min(range.high);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use deja_shared::model::MEAN_ENTRIES;
    use deja_shared::tensor::Shape;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    /// Squares of non-negative values, and roots over two positions, to steps of 1 around −128.
    fn squares() -> Vec<u64> {
        let powers = (-128..128i64).map(|q| (q.max(0) * q.max(0)) as u64);
        // √(Σ/2) ≥ k + ½ ⇔ Σ ≥ 2·(k + ½)² = 2k² + 2k + ½
        powers.chain((0..255).map(|k| 2 * k * k + 2 * k + 1)).collect()
    }

    #[test]
    fn golden_vectors() {
        let mut output = [0; 3];
        generalized_mean_pool(GeneralizedMeanPool {
            input: view(Shape::new(1, 2, 3), &[3, -5, 127, 4, 10, 127]),
            table: &squares(),
            range: FULL,
            output: &mut output,
        });
        // √12.5 = 3.54 → 4; √50 = 7.07 → 7; 127.
        assert_eq!(output, [-124, -121, -1]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            (shape, data) in input_of(1..6, 1..6, 1..20),
            powers in proptest::collection::vec(0..=1u64 << 47, 256),
            mut thresholds in proptest::collection::vec(0..1u64 << 51, 255),
            range in output_range(),
        ) {
            thresholds.sort_unstable();
            let table = [powers, thresholds].concat();
            prop_assert_eq!(table.len(), MEAN_ENTRIES);
            let mut output = vec![0; shape.channels.into()];
            generalized_mean_pool(GeneralizedMeanPool { input: view(shape, &data), table: &table, range, output: &mut output });
            for (c, &result) in output.iter().enumerate() {
                let column = (0..shape.positions() as usize).map(|position| data[position * output.len() + c]);
                let sum: u128 = column.map(|q| u128::from(table[(i32::from(q) + 128) as usize])).sum();
                let passed = table[256..].iter().filter(|&&threshold| u128::from(threshold) <= sum).count() as i64;
                prop_assert_eq!(i64::from(result), (passed - 128).clamp(range.low.into(), range.high.into()));
            }
        }
    }
}
