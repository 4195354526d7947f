//! Cosine similarities of many pairs at once: blocked so that the compiler can use wide registers.

use super::Embeddings;
use rayon::prelude::*;
use std::ops::Range;

/// Gallery entries side by side in one panel.
const PANEL: usize = 8;
/// Queries that go through a panel together.
const TILE: usize = 4;
/// Queries whose scores one thread holds at a time.
const BLOCK: usize = 16;

/// Queries and a gallery ready for scoring: the gallery is laid out in panels of [`PANEL`] entries, component by component.
pub(super) struct Scorer<'a> {
    queries: &'a Embeddings,
    /// `[panels, dimension, PANEL]`, the last panel filled up with zeros.
    panels: Vec<f32>,
    gallery: usize,
}

impl<'a> Scorer<'a> {
    /// Lays out the gallery. Both must have the same dimension.
    pub(super) fn new(queries: &'a Embeddings, gallery: &Embeddings) -> Self {
        let dimension = gallery.dimension();
        let mut panels = vec![0.0; gallery.len().div_ceil(PANEL) * dimension * PANEL];
        for entry in 0..gallery.len() {
            let panel = &mut panels[entry / PANEL * dimension * PANEL..];
            for (component, &value) in gallery.row(entry).iter().enumerate() {
                panel[component * PANEL + entry % PANEL] = value;
            }
        }
        Self { queries, panels, gallery: gallery.len() }
    }

    /// Calls `each` with every query and its similarities with all gallery entries, in parallel; answers in order.
    pub(super) fn map<T: Send>(&self, each: impl Fn(usize, &mut [f32]) -> T + Sync) -> Vec<T> {
        let starts: Vec<usize> = (0..self.queries.len()).step_by(BLOCK).collect();
        let blocks = starts.par_iter().map(|&start| {
            let range = start..(start + BLOCK).min(self.queries.len());
            let mut scores = vec![0.0; range.len() * self.gallery];
            self.fill(range.clone(), &mut scores);
            let row = |query: usize| (query - start) * self.gallery..(query - start + 1) * self.gallery;
            range.map(|query| each(query, &mut scores[row(query)])).collect::<Vec<T>>()
        });
        blocks.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Similarities of a range of queries with all gallery entries, `[range.len(), gallery]`.
    ///
    /// Each is a sum over the components in their order, so it does not depend on the blocking.
    fn fill(&self, range: Range<usize>, out: &mut [f32]) {
        let dimension = self.queries.dimension();
        for first in range.clone().step_by(TILE) {
            // A short last tile repeats its last query.
            let rows: [&[f32]; TILE] = std::array::from_fn(|i| self.queries.row((first + i).min(range.end - 1)));
            let count = TILE.min(range.end - first);
            let out = &mut out[(first - range.start) * self.gallery..][..count * self.gallery];
            for (at, panel) in self.panels.chunks_exact(dimension * PANEL).enumerate() {
                let sums = multiply(rows, panel);
                let start = at * PANEL;
                let width = PANEL.min(self.gallery - start);
                for (out, sums) in out.chunks_exact_mut(self.gallery).zip(&sums) {
                    out[start..start + width].copy_from_slice(&sums[..width]);
                }
            }
        }
    }
}

/// Dot products of [`TILE`] queries with the [`PANEL`] entries of a panel.
#[inline]
fn multiply(rows: [&[f32]; TILE], panel: &[f32]) -> [[f32; PANEL]; TILE] {
    let mut sums = [[0.0; PANEL]; TILE];
    let [a, b, c, d] = rows;
    let components = a.iter().zip(b).zip(c).zip(d).zip(panel.as_chunks::<PANEL>().0);
    for ((((&a, &b), &c), &d), column) in components {
        for (sums, value) in sums.iter_mut().zip([a, b, c, d]) {
            for (sum, &entry) in sums.iter_mut().zip(column) {
                *sum += value * entry;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Identity;
    use proptest::prelude::*;

    fn embeddings(dimension: usize, count: usize, values: &[f32]) -> Embeddings {
        let vectors = values.iter().cycle().take(dimension * count).copied().collect();
        Embeddings::new(dimension, vectors, vec![Identity::Distractor; count], vec![0; count]).unwrap()
    }

    proptest! {
        #[test]
        fn blocks_give_the_plain_sums(
            dimension in 1usize..20, queries in 1usize..11, gallery in 1usize..27, from in 0usize..11,
            values in prop::collection::vec(-1.0f32..1.0, 97),
        ) {
            let from = from.min(queries - 1);
            let a = embeddings(dimension, queries, &values);
            let b = embeddings(dimension, gallery, &values[5..]);
            let rows = Scorer::new(&a, &b).map(|_, row| row.to_vec());
            let mut out = vec![f32::NAN; (queries - from) * gallery];
            Scorer::new(&a, &b).fill(from..queries, &mut out);
            for (i, score) in out.iter().enumerate() {
                let (row, column) = (a.row(from + i / gallery), b.row(i % gallery));
                let plain = row.iter().zip(column).fold(0.0, |sum, (x, y)| sum + x * y);
                prop_assert_eq!(*score, plain);
                prop_assert_eq!(rows[from + i / gallery][i % gallery], plain);
            }
        }
    }
}
