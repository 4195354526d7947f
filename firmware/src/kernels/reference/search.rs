//! A probe and the templates of a gallery.

use crate::kernels::quad::{FLIP, Found, LANES, Quad, WORD, WORDS};

/// The components of a probe, with zeros behind them.
#[derive(Debug, Clone)]
pub struct Probe([[i8; WORD]; WORDS]);

impl Probe {
    /// Of no components. It is made first and [`Probe::set`] then, so that it need not be moved.
    pub const fn empty() -> Self {
        Self([[0; WORD]; WORDS])
    }

    /// Takes at most [`MAX_DIMENSION`](deja_shared::embedding::MAX_DIMENSION) components, each within ±127.
    pub fn set(&mut self, components: &[i8]) {
        self.0 = [[0; WORD]; WORDS];
        self.0.as_flattened_mut().iter_mut().zip(components).for_each(|(value, &component)| *value = component);
    }

    /// The first quad that holds a template of which 256·dot ≥ slope·length; `slope` is at most 2¹⁵, with either sign.
    pub fn find(&self, quads: &[Quad], slope: i32) -> Option<Found> {
        quads.iter().enumerate().find_map(|(index, quad)| {
            let (dots, lengths) = (self.dots(quad), quad.lengths());
            // Both are below 2³⁰.
            let excess = core::array::from_fn(|lane| (dots[lane] << 8) - slope * lengths[lane]);
            excess.iter().any(|&excess| excess >= 0).then_some(Found { index, excess })
        })
    }

    fn dots(&self, quad: &Quad) -> [i32; LANES] {
        // Sums of their own for each place, which a compiler can turn into vectors.
        let mut sums = [[0; WORD]; LANES];
        for (lanes, word) in quad.words().iter().zip(&self.0) {
            for (sums, bytes) in sums.iter_mut().zip(lanes) {
                for place in 0..WORD {
                    sums[place] += i32::from((bytes[place] ^ FLIP[place]) as i8) * i32::from(word[place]);
                }
            }
        }
        sums.map(|sums| sums.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deja_shared::embedding::{Embedding, MAX_DIMENSION};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn embeddings(dimension: usize, count: usize) -> impl Strategy<Value = Vec<Embedding>> {
        let component = prop_oneof![4 => -127..=127i16, 1 => Just(127i16), 1 => Just(-127i16)];
        let raw = proptest::collection::vec(component, dimension);
        proptest::collection::vec(raw.prop_filter_map("zero", |raw| Embedding::from_raw(&raw).ok()), count)
    }

    proptest! {
        /// The plain sums over the components of the embeddings, quad by quad.
        #[test]
        fn finds_what_plain_sums_find(
            templates in (1..=MAX_DIMENSION, 2..12usize).prop_flat_map(|(dimension, count)| embeddings(dimension, count)),
            slope in -32_768..=32_767i32,
        ) {
            let (probe, templates) = templates.split_first().unwrap();
            let mut quads = std::vec![Quad::EMPTY; templates.len().div_ceil(LANES)];
            for (number, template) in templates.iter().enumerate() {
                quads[number / LANES].set(number % LANES, template.components(), template.norm());
            }
            let excess = |template: &Embedding| {
                let pairs = probe.components().iter().zip(template.components());
                let dot: i64 = pairs.map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
                256 * dot - i64::from(slope) * i64::from((template.norm() << 8).isqrt())
            };
            let plain: Vec<Vec<i64>> = templates.chunks(LANES).map(|four| four.iter().map(excess).collect()).collect();
            let (mut prepared, mut start) = (Probe::empty(), 0);
            prepared.set(probe.components());
            while let Some(found) = prepared.find(&quads[start..], slope) {
                let index = start + found.index;
                prop_assert!(plain[start..index].iter().flatten().all(|&excess| excess < 0));
                for (&plain, excess) in plain[index].iter().zip(found.excess) {
                    prop_assert_eq!(plain, i64::from(excess));
                }
                start = index + 1;
            }
            prop_assert!(plain[start..].iter().flatten().all(|&excess| excess < 0));
        }
    }
}
