//! Convolutions, dense and in groups, of any window; with another activation added where there is one.

use deja_shared::model::pairs::Filter;
use deja_shared::quant::{INT16, Requantizer};
use deja_shared::tensor::{Shape, Values};

use super::elements::Elements;
use super::{Input, Parameters, Summand, Window};
use crate::kernels::cut::{at, extent};
use crate::kernels::reference::{Place, Source};

/// A layer with weights.
///
/// # Shapes
/// `input` h × w × c, `shape` h' × w' × o; weights as `LayerKind` says.
pub(super) struct Filtered<'a> {
    /// What is read.
    pub input: Input<'a>,
    /// Filter extents, step and padding.
    pub window: Window,
    /// Into how many groups the channels fall; of no meaning if depthwise.
    pub groups: u16,
    /// Constants.
    pub parameters: Parameters<'a>,
    /// How the first of the elements' values enter the sum; `None` where there is no sum.
    pub summand: Option<Summand>,
    /// Extents of what is written.
    pub shape: Shape,
    /// What is added, and what is written.
    pub elements: Elements<'a>,
}

impl Source for Values<'_> {
    // Not inlined, as all that is called for every value: little code counts more than speed here.
    #[inline(never)]
    fn dot(self, start: usize, filter: Filter<'_>) -> i32 {
        match self {
            Self::Eight(values) => filter.dot(values.get(start..).unwrap_or_default()),
            Self::Sixteen(values) => filter.dot_wide(values.get(start..).unwrap_or_default()),
        }
    }
}

impl Filtered<'_> {
    /// Writes value number `index` of output channel `channel`.
    #[inline(never)]
    pub(super) fn finish(&mut self, index: usize, channel: usize, accumulator: i32) {
        let rule = Requantizer { multiplier: at(self.parameters.multipliers, channel), ..self.elements.rule };
        let term = self.summand.map_or(0, |summand| summand.wide_term(self.elements.first(index)));
        self.elements.output.set(index, rule.round(rule.product(accumulator) + term));
    }
}

/// `y[i,j,o] = round((bias[o] + Σ x·w)·multiplier[o] + term(a[i,j,o]))`: a convolution, a pointwise layer, or one that is added
/// to something.
#[inline(never)]
pub(super) fn filters(mut arguments: Filtered<'_>) {
    let Filtered { input, window, groups, parameters, shape, .. } = arguments;
    let (width, channels) = (extent(shape.width), usize::from(shape.channels));
    let group = usize::from(input.shape.channels / groups.max(1));
    let outputs = extent(channels / extent(groups));
    let row_len = usize::from(window.kernel_width) * group;
    let fan_in = usize::from(window.kernel_height) * row_len;
    let (source, padding) = (input.values, i32::from(input.zero_point));
    for position in 0..shape.positions() as usize {
        let (i, j) = (position / width, position % width);
        let (rows, columns) = (&window.rows(input.shape.height, i), &window.columns(input.shape.width, j));
        for (channel, (filter, bias, _)) in parameters.filters(fan_in).enumerate() {
            let first = channel / outputs * group;
            let place = Place { source, shape: input.shape, rows, columns, padding, row_len, group, first };
            let accumulator = bias.wrapping_add(place.products(filter, fan_in));
            arguments.finish(position * channels + channel, channel, accumulator);
        }
    }
}

/// `y[o] = requantize(bias[o] + Σ x[c] · w[o,c])`: the raw embedding, from `low` on.
pub(super) fn fully_connected(input: Values<'_>, parameters: Parameters<'_>, low: i32, output: &mut [i16]) {
    for (result, (filter, bias, multiplier)) in output.iter_mut().zip(parameters.filters(input.len())) {
        let rule = Requantizer { multiplier, zero_point: 0, low, high: INT16.1 };
        // The rule has clamped it to 16 bits.
        *result = rule.apply(bias.wrapping_add(input.dot(0, filter))) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::reference::testing::{
        Channels, QUARTER, interleaved, parameters, pointwise_case, windowed_case,
    };
    use deja_shared::tensor::Width;
    use proptest::prelude::*;
    use std::vec;

    /// Two channels of 16 bits into one of 16 bits, added to an int8 around 3 at twice its scale: by hand.
    #[test]
    fn golden_vectors() {
        let input = Wide::of(Width::Sixteen, 0, &[1000, -300, 32_767, -32_767]);
        let sum = Wide::of(Width::Eight, 3, &[5, -128]);
        let mut data = vec![0; 4];
        filters(Filtered {
            input: input.input(Shape::new(1, 2, 2)),
            window: super::super::ONE,
            groups: 1,
            parameters: parameters(&interleaved(&[100, -1], 1), &[2], &[QUARTER]),
            summand: Some(Summand { zero_point: 3, multiplier: 2 << 24 }),
            shape: Shape::new(1, 2, 1),
            elements: Elements {
                first: Some(sum.values()),
                rule: Requantizer { multiplier: 0, zero_point: 0, low: -30_000, high: 30_000 },
                output: deja_shared::tensor::ValuesMut::new(&mut data, Width::Sixteen),
            },
        });
        // (100,000 + 300 + 2)/4 + 2·2 = 25,079.5, which rounds up; far beyond the bound.
        assert!(Values::new(&data, Width::Sixteen).iter().eq([25_080, 30_000]));
    }

    proptest! {
        #[test]
        fn any_widths_equal_their_twin(case in filtered_case(Kind::Filters)) {
            prop_assert_eq!(case.run(filters), case.twin());
        }

        #[test]
        fn of_8_bits_they_are_the_reference(
            dense in windowed_case(Channels::Dense),
            grouped in windowed_case(Channels::Groups),
        ) {
            for case in [dense, grouped] {
                prop_assert_eq!(case.run(|windowed| filters(narrow(windowed))), case.run(reference::convolution));
            }
        }

        #[test]
        fn the_embedding_equals_its_twin(case in pointwise_case(), values in proptest::collection::vec(-32_767..=32_767, 70)) {
            let input = Wide::of(Width::Sixteen, 0, &values[..case.fan_in]);
            let weights = interleaved(&case.weights, case.biases.len());
            let mut output = vec![0; case.biases.len()];
            let constants = parameters(&weights, &case.biases, &case.multipliers);
            fully_connected(input.values(), constants, INT16.0, &mut output);
            for (o, &result) in output.iter().enumerate() {
                let row = &case.weights[o * case.fan_in..][..case.fan_in];
                let products = row.iter().zip(&values).map(|(&w, &x)| i64::from(w) * i64::from(x));
                let sum = i128::from(products.sum::<i64>() + i64::from(case.biases[o])) * i128::from(case.multipliers[o]);
                let rule = Requantizer { multiplier: 0, zero_point: 0, low: INT16.0, high: INT16.1 };
                prop_assert_eq!(i32::from(result), twin(sum, rule));
            }
        }
    }
}
