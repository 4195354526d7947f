//! Layers that compute each value from the values at its place.

use deja_shared::quant::{Requantizer, scaled};
use deja_shared::tensor::{Values, ValuesMut};

use super::{Input, Summand};
use crate::kernels::cut::{at, extent};

/// What is written, value by value.
pub(super) struct Elements<'a> {
    /// What the first input holds; `None` where `output` holds it, to be written over.
    pub first: Option<Values<'a>>,
    /// How results are rounded and bounded.
    pub rule: Requantizer,
    /// What is written.
    pub output: ValuesMut<'a>,
}

impl Elements<'_> {
    /// The first input's value at a place that is not yet written.
    #[inline(never)]
    pub(super) fn first(&self, index: usize) -> i32 {
        self.first.map_or_else(|| self.output.values().get(index), |values| values.get(index))
    }

    /// Writes `f(place, the first input's value there)` everywhere.
    fn each(mut self, f: impl Fn(usize, i32) -> i32) {
        for index in 0..self.output.values().len() {
            let result = f(index, self.first(index));
            self.output.set(index, result);
        }
    }
}

/// `y = round(term(a) + term(b))`.
pub(super) fn add(elements: Elements<'_>, b: Values<'_>, [of_a, of_b]: [Summand; 2]) {
    let rule = elements.rule;
    elements.each(|index, a| rule.round(of_a.wide_term(a) + of_b.wide_term(b.get(index))));
}

/// `y[n,c] = requantize((x[n,c] − zp_x)·(g[c] − zp_g))`.
pub(super) fn channel_scale(elements: Elements<'_>, zero_point: i8, gate: Input<'_>) {
    let rule = elements.rule;
    elements.each(|index, x| rule.apply((x - i32::from(zero_point)) * factor(gate, index)));
}

/// `y[n,c] = round((x[n,c] − zp_x)·(g[c] − zp_g)·multiplier + term(a[n,c]))`.
pub(super) fn channel_scale_add(elements: Elements<'_>, summand: Summand, [map, gate]: [Input<'_>; 2]) {
    let rule = elements.rule;
    elements.each(|index, a| {
        let x = map.values.get(index) - i32::from(map.zero_point);
        rule.round(rule.product(x * factor(gate, index)) + summand.wide_term(a))
    });
}

/// `y[n,c] = round(scaled(x[n,c] − zp, m))`, where m is that of `positive` if x ≥ zp, else `negative[c]`.
pub(super) fn prelu(elements: Elements<'_>, positive: Summand, negative: &[i32]) {
    let rule = elements.rule;
    elements.each(|index, x| {
        let difference = x - i32::from(positive.zero_point);
        let multiplier =
            if difference < 0 { at(negative, index % extent(negative.len())) } else { positive.multiplier };
        rule.round(scaled(difference, multiplier))
    });
}

/// `y[n, ..] = round(term(a[n, ..])), round(term(b[n, ..]))`.
pub(super) fn concat(mut elements: Elements<'_>, inputs: [Input<'_>; 2], summands: [Summand; 2]) {
    let [a, b] = inputs.map(|input| usize::from(input.shape.channels));
    for index in 0..elements.output.values().len() {
        let (row, channel) = (index / extent(a + b), index % extent(a + b));
        let term = match channel.checked_sub(a) {
            None => summands[0].wide_term(inputs[0].values.get(row * a + channel)),
            Some(channel) => summands[1].wide_term(inputs[1].values.get(row * b + channel)),
        };
        elements.output.set(index, elements.rule.round(term));
    }
}

/// What a gate of 8 bits scales the value at `index` by.
fn factor(gate: Input<'_>, index: usize) -> i32 {
    gate.values.get(index % extent(gate.values.len())) - i32::from(gate.zero_point)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use deja_shared::tensor::{Shape, Width};
    use proptest::prelude::*;
    use std::vec::Vec;

    /// 300 of 16 bits at a half, and 5 − 3 of 8 bits at 100: by hand.
    #[test]
    fn golden_vectors() {
        let rule = Requantizer { multiplier: 0, zero_point: -1, low: -128, high: 127 };
        let (a, b) = (Wide::of(Width::Sixteen, 0, &[300, -10]), Wide::of(Width::Eight, 3, &[3, 5]));
        let summands = [a.summand(1 << 23), b.summand(100 << 24)];
        let output = Output { width: Width::Eight, rule };
        let found = output.run(2, Some(&a), |elements| add(elements, b.values(), summands));
        // 150 − 1 is bounded; −5 + 200 − 1 too.
        assert_eq!(found, [127, 127]);
        let output = Output { width: Width::Sixteen, rule: Requantizer { zero_point: 0, high: 32_767, ..rule } };
        assert_eq!(output.run(2, Some(&a), |elements| add(elements, b.values(), summands)), [150, 195]);
    }

    fn difference(operand: &Wide, index: usize) -> i128 {
        i128::from(operand.integers[index]) - i128::from(operand.zero_point)
    }

    proptest! {
        #[test]
        fn sums_equal_their_twin(
            (a, b) in (operand(40), operand(40)),
            (x, y) in (multiplier(), multiplier()),
            output in result(),
        ) {
            let summands = [a.summand(x), b.summand(y)];
            let found = output.run(40, Some(&a), |elements| add(elements, b.values(), summands));
            let term = |operand: &Wide, m: i32, i: usize| difference(operand, i) * i128::from(m) * 256;
            let expected: Vec<i32> = (0..40).map(|i| twin(term(&a, x, i) + term(&b, y, i), output.rule)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn gates_equal_their_twin(
            (a, map, gate) in (operand(40), operand(40), narrow_operand(8)),
            (x, output) in (multiplier(), result()),
        ) {
            let gated = |operand: &Wide, i: usize| {
                difference(operand, i) * difference(&gate, i % 8) * i128::from(output.rule.multiplier)
            };
            let of_gate = gate.input(Shape::new(1, 1, 8));
            let found = output.run(40, Some(&a), |elements| channel_scale(elements, a.zero_point, of_gate));
            let expected: Vec<i32> = (0..40).map(|i| twin(gated(&a, i), output.rule)).collect();
            prop_assert_eq!(found, expected);
            let inputs = [map.input(Shape::new(1, 5, 8)), of_gate];
            let found = output.run(40, Some(&a), |elements| channel_scale_add(elements, a.summand(x), inputs));
            let term = |i: usize| difference(&a, i) * i128::from(x) * 256;
            let expected: Vec<i32> = (0..40).map(|i| twin(gated(&map, i) + term(i), output.rule)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn slopes_equal_their_twin(
            (a, positive) in (operand(40), multiplier()),
            negative in proptest::collection::vec(any::<i32>(), 5),
            output in result(),
        ) {
            let found = output.run(40, Some(&a), |elements| prelu(elements, a.summand(positive), &negative));
            let slope = |i: usize| if difference(&a, i) < 0 { negative[i % 5] } else { positive };
            let expected: Vec<i32> =
                (0..40).map(|i| twin(difference(&a, i) * i128::from(slope(i)) * 256, output.rule)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn parts_equal_their_twin(
            (a, b) in (operand(12), operand(20)),
            (x, y) in (multiplier(), multiplier()),
            output in result(),
        ) {
            let inputs = [a.input(Shape::new(1, 4, 3)), b.input(Shape::new(1, 4, 5))];
            let found = output.run(32, None, |elements| concat(elements, inputs, [a.summand(x), b.summand(y)]));
            for (index, result) in found.into_iter().enumerate() {
                let (row, c) = (index / 8, index % 8);
                let term = if c < 3 {
                    difference(&a, row * 3 + c) * i128::from(x)
                } else {
                    difference(&b, row * 5 + c - 3) * i128::from(y)
                };
                prop_assert_eq!(result, twin(term * 256, output.rule));
            }
        }

        /// What is written over gives the same as what lies elsewhere.
        #[test]
        fn in_place_is_the_same((a, b) in (operand(40), operand(40)), (x, y) in (multiplier(), multiplier()), output in result()) {
            let output = Output { width: a.width, rule: output.bounded(a.width) };
            let summands = [a.summand(x), b.summand(y)];
            let apart = output.run(40, Some(&a), |elements| add(elements, b.values(), summands));
            prop_assert_eq!(output.run_over(&a, |elements| add(elements, b.values(), summands)), apart);
        }
    }
}
