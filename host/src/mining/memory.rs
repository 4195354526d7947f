//! Cross-batch memory: the embeddings of past batches as further positives and negatives of the present one.

use crate::loss::Batch;
use serde::{Deserialize, Serialize};

/// The settings of a recipe's `[memory]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemorySettings {
    /// Embeddings that are remembered; 0 turns the memory off.
    pub size: usize,
    /// Epochs after which the losses begin to look at it: before, embeddings change so fast that past ones mislead.
    pub start: f32,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { size: 0, start: 1.0 }
    }
}

/// A ring of the latest raw embeddings and whose they are (Wang et al. 2020, "Cross-Batch Memory for Embedding Learning").
///
/// Embeddings drift slowly once training has begun, so past ones stand in for those of a batch that would not fit; a metric
/// loss compares the present batch with them, and its gradient goes to the present batch alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    size: usize,
    dimension: usize,
    embeddings: Vec<f32>,
    identities: Vec<u32>,
    /// Where the next embedding goes once the ring is full.
    next: usize,
}

impl Memory {
    /// Empty, for `size` embeddings.
    pub fn new(size: usize, dimension: usize) -> Self {
        Self { size, dimension, embeddings: Vec::new(), identities: Vec::new(), next: 0 }
    }

    /// The ring as it was, from [`Memory::past`] and [`Memory::next`]; `None` when they do not fit each other.
    pub fn restored(size: usize, past: &Batch<'_>, next: usize) -> Option<Self> {
        let count = past.identities.len();
        let fits = count <= size && past.embeddings.len() == count * past.dimension && next <= count;
        fits.then(|| Self {
            size,
            dimension: past.dimension,
            embeddings: past.embeddings.to_vec(),
            identities: past.identities.to_vec(),
            next,
        })
    }

    /// Remembers a batch in place of the oldest embeddings. Of a batch larger than the memory the last rows stay.
    ///
    /// # Shapes
    /// `batch.dimension` is the memory's.
    pub fn remember(&mut self, batch: &Batch<'_>) {
        for (row, &identity) in batch.identities.iter().enumerate() {
            if self.identities.len() < self.size {
                self.embeddings.extend_from_slice(batch.row(row));
                self.identities.push(identity);
            } else if self.size > 0 {
                self.embeddings[self.next * self.dimension..][..self.dimension].copy_from_slice(batch.row(row));
                self.identities[self.next] = identity;
                self.next = (self.next + 1) % self.size;
            }
        }
    }

    /// All that is remembered, in the order of the ring, not of age.
    pub fn past(&self) -> Batch<'_> {
        Batch { embeddings: &self.embeddings, dimension: self.dimension, identities: &self.identities }
    }

    /// The row that will be replaced next once the ring is full.
    pub fn next(&self) -> usize {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a plain list: the last `size` embeddings, whatever the batches were.
        #[test]
        fn holds_the_latest(size in 0usize..12, batches in prop::collection::vec(0usize..9, 0..12)) {
            let mut memory = Memory::new(size, 2);
            let mut all: Vec<(u32, [f32; 2])> = Vec::new();
            for count in batches {
                let rows: Vec<(u32, [f32; 2])> = (all.len()..all.len() + count).map(|n| (n as u32, [n as f32, 0.5])).collect();
                let identities: Vec<u32> = rows.iter().map(|row| row.0).collect();
                let embeddings: Vec<f32> = rows.iter().flat_map(|row| row.1).collect();
                memory.remember(&Batch { embeddings: &embeddings, dimension: 2, identities: &identities });
                all.extend(rows);
                let past = memory.past();
                let mut held: Vec<(u32, [f32; 2])> =
                    (0..past.identities.len()).map(|row| (past.identities[row], [past.row(row)[0], past.row(row)[1]])).collect();
                let restored = Memory::restored(size, &past, memory.next());
                prop_assert_eq!(restored.as_ref(), Some(&memory));
                held.sort_by_key(|row| row.0);
                prop_assert_eq!(&held[..], &all[all.len().saturating_sub(size)..]);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_restored() {
        let past = Batch { embeddings: &[1.0, 2.0], dimension: 2, identities: &[3] };
        assert!(Memory::restored(1, &past, 0).is_some());
        assert_eq!(Memory::restored(0, &past, 0), None);
        assert_eq!(Memory::restored(5, &past, 2), None);
        assert_eq!(Memory::restored(5, &Batch { identities: &[3, 4], ..past }, 0), None);
    }
}
