//! Depthwise convolution.

use super::filters::Filtered;
use crate::kernels::cut::{at, extent};

/// `y[i,j,c] = requantize(bias[c] + Σ x[i·s−p+u, j·s−p+v, c] · w[u,v,c])`.
pub(super) fn depthwise(mut arguments: Filtered<'_>) {
    let Filtered { input, window, parameters, shape, .. } = arguments;
    let (width, channels, kernel_width) = (extent(shape.width), extent(shape.channels), extent(window.kernel_width));
    for position in 0..shape.positions() as usize {
        let (i, j) = (position / width, position % width);
        let (rows, columns) = (window.rows(input.shape.height, i), window.columns(input.shape.width, j));
        // Where the input's channels under each weight begin, or nothing where that is padding.
        let under = |tap: usize| {
            let (u, v) = (tap / kernel_width, tap % kernel_width);
            let inside = rows.taps.contains(&u) && columns.taps.contains(&v);
            inside.then(|| {
                let (y, x) = (rows.start + u - rows.taps.start, columns.start + v - columns.taps.start);
                (y * usize::from(input.shape.width) + x) * channels
            })
        };
        for channel in 0..channels {
            let mut accumulator = at(parameters.biases, channel);
            for (tap, &weight) in parameters.weights.iter().skip(channel).step_by(channels).enumerate() {
                let value = under(tap).map_or(input.zero_point.into(), |start| input.values.get(start + channel));
                accumulator = accumulator.wrapping_add(value * i32::from(weight));
            }
            arguments.finish(position * channels + channel, channel, accumulator);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::reference::testing::{Channels, windowed_case};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_widths_equal_their_twin(case in filtered_case(Kind::Depthwise)) {
            prop_assert_eq!(case.run(depthwise), case.twin());
        }

        #[test]
        fn of_8_bits_it_is_the_reference(case in windowed_case(Channels::Depthwise)) {
            prop_assert_eq!(case.run(|windowed| depthwise(narrow(windowed))), case.run(reference::depthwise));
        }
    }
}
