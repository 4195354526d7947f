//! Cosine similarities of many pairs at once, by the matrix kernel that suits the processor.

use super::Embeddings;
use crate::compute::{Kernels, Matmul};
use rayon::prelude::*;
use std::ops::Range;

/// Gallery entries side by side in one panel: whole register strips of every kernel.
const PANEL: usize = 96;
/// Queries whose scores one thread holds at a time.
const BLOCK: usize = 16;

/// Queries and a gallery ready for scoring: the gallery is laid out in panels of [`PANEL`] entries, component by component.
pub(super) struct Scorer<'a> {
    queries: &'a Embeddings,
    kernels: &'static Kernels,
    /// `[panels, dimension, PANEL]`, the last panel filled up with zeros.
    panels: Vec<f32>,
    gallery: usize,
}

impl<'a> Scorer<'a> {
    /// Lays out the gallery. Both must have the same dimension.
    pub(super) fn new(queries: &'a Embeddings, gallery: &Embeddings) -> Self {
        Self::with_kernels(Kernels::best(), queries, gallery)
    }

    fn with_kernels(kernels: &'static Kernels, queries: &'a Embeddings, gallery: &Embeddings) -> Self {
        let dimension = gallery.dimension();
        let mut panels = vec![0.0; gallery.len().div_ceil(PANEL) * dimension * PANEL];
        for entry in 0..gallery.len() {
            let panel = &mut panels[entry / PANEL * dimension * PANEL..];
            for (component, &value) in gallery.row(entry).iter().enumerate() {
                panel[component * PANEL + entry % PANEL] = value;
            }
        }
        Self { queries, kernels, panels, gallery: gallery.len() }
    }

    /// Calls `each` with every query and its similarities with all gallery entries, in parallel; answers in order.
    pub(super) fn map<T: Send>(&self, each: impl Fn(usize, &mut [f32]) -> T + Sync) -> Vec<T> {
        let starts: Vec<usize> = (0..self.queries.len()).step_by(BLOCK).collect();
        let scratch = || (vec![0.0; BLOCK * self.gallery], vec![0.0; BLOCK * PANEL]);
        let blocks = starts.par_iter().map_init(scratch, |(scores, product), &start| {
            let range = start..(start + BLOCK).min(self.queries.len());
            self.fill(range.clone(), scores, product);
            let row = |query: usize| (query - start) * self.gallery..(query - start + 1) * self.gallery;
            range.map(|query| each(query, &mut scores[row(query)])).collect::<Vec<T>>()
        });
        blocks.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Similarities of at most [`BLOCK`] queries with all gallery entries, `[range.len(), gallery]`.
    ///
    /// Each is a sum over the components in their order, so it does not depend on where its entry stands.
    fn fill(&self, range: Range<usize>, out: &mut [f32], product: &mut [f32]) {
        let (dimension, rows) = (self.queries.dimension(), range.len());
        let queries = &self.queries.vectors()[range.start * dimension..range.end * dimension];
        for (at, panel) in self.panels.chunks_exact(dimension * PANEL).enumerate() {
            let job = Matmul {
                rows,
                columns: PANEL,
                depth: dimension,
                a: queries,
                a_row: dimension,
                a_step: 1,
                b: panel,
                accumulate: false,
            };
            (self.kernels.matmul)(&job, product);
            let start = at * PANEL;
            let width = PANEL.min(self.gallery - start);
            for (out, sums) in out.chunks_exact_mut(self.gallery).zip(product.chunks_exact(PANEL)).take(rows) {
                out[start..start + width].copy_from_slice(&sums[..width]);
            }
        }
    }
}

/// Where the `count` highest scores of a row are, highest first, ties by index.
pub(super) fn highest(scores: &[f32], count: usize) -> Vec<usize> {
    let mut best: Vec<(usize, f32)> = Vec::with_capacity(count + 1);
    for (index, &score) in scores.iter().enumerate() {
        if count == 0 || (best.len() == count && score <= best[count - 1].1) {
            continue;
        }
        best.insert(best.partition_point(|&(_, other)| other >= score), (index, score));
        best.truncate(count);
    }
    best.into_iter().map(|(index, _)| index).collect()
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
        fn every_kernel_gives_the_plain_sums(
            dimension in 1usize..20, queries in 1usize..40, gallery in 1usize..230,
            values in prop::collection::vec(-1.0f32..1.0, 97),
        ) {
            let (a, b) = (embeddings(dimension, queries, &values), embeddings(dimension, gallery, &values[5..]));
            for kernels in Kernels::available() {
                let rows = Scorer::with_kernels(kernels, &a, &b).map(|_, row| row.to_vec());
                for (query, row) in rows.iter().enumerate() {
                    prop_assert_eq!(row.len(), gallery);
                    for (entry, score) in row.iter().enumerate() {
                        let plain: f32 = a.row(query).iter().zip(b.row(entry)).map(|(x, y)| x * y).sum();
                        prop_assert!((score - plain).abs() < 1e-5, "{}: {score} for {plain}", kernels.name);
                    }
                }
            }
        }

        #[test]
        fn the_same_entry_scores_the_same_wherever_it_stands(
            dimension in 1usize..40, queries in 1usize..20, copies in 2usize..200,
            values in prop::collection::vec(-1.0f32..1.0, 800),
        ) {
            let (a, b) = (embeddings(dimension, queries, &values), embeddings(dimension, copies, &values[..dimension]));
            for kernels in Kernels::available() {
                for row in Scorer::with_kernels(kernels, &a, &b).map(|_, row| row.to_vec()) {
                    prop_assert!(row.iter().all(|score| score.to_bits() == row[0].to_bits()), "{}", kernels.name);
                }
            }
        }

        #[test]
        fn the_highest_are_the_head_of_the_sorted_row(row in prop::collection::vec(0u8..6, 0..40), count in 0usize..12) {
            let row: Vec<f32> = row.into_iter().map(f32::from).collect();
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
            order.truncate(count);
            prop_assert_eq!(highest(&row, count), order);
        }
    }
}
