//! N-pair class mining: of many classes, N that the network confuses with each other.

use super::distance;

/// Chooses N of C classes greedily (Sohn 2016, §3.2.2): after `start`, again and again the class that most violates the
/// triplet constraint against those chosen.
///
/// The violation between two classes is the largest d(a,p) − d(a,n) of the eight triplets of their two pairs: a, p of the one
/// and n of the other, in every order. A class's violation against those chosen is the largest of its violations against one
/// of them. Ties go to the lower class: with classes in random order that is a random one. O(N·C·D).
///
/// # Shapes
/// `pairs`: `[C, 2, dimension]`; returns min(N, C) indices below C, `start` first. Empty for C = 0.
///
/// # Panics
/// If `start ≥ C`, unless there is no class at all.
pub fn n_pair_classes(pairs: &[f32], dimension: usize, start: usize, n: usize) -> Vec<usize> {
    let count = pairs.len() / (2 * dimension).max(1);
    if count == 0 || n == 0 {
        return Vec::new();
    }
    assert!(start < count, "class {start} of {count}");
    let pair = |class: usize| Pair::new(&pairs[class * 2 * dimension..(class + 1) * 2 * dimension]);
    let mut worst = vec![f32::NEG_INFINITY; count];
    let mut chosen = vec![start];
    let mut waiting: Vec<usize> = (0..count).filter(|&class| class != start).collect();
    while chosen.len() < n && !waiting.is_empty() {
        let latest = pair(chosen[chosen.len() - 1]);
        let mut best = 0;
        for (place, &class) in waiting.iter().enumerate() {
            worst[class] = worst[class].max(pair(class).violation(&latest));
            if worst[class] > worst[waiting[best]] {
                best = place;
            }
        }
        chosen.push(waiting.remove(best));
    }
    chosen
}

/// Two embeddings of one class.
struct Pair<'a> {
    rows: [&'a [f32]; 2],
    spread: f32,
}

impl<'a> Pair<'a> {
    fn new(values: &'a [f32]) -> Self {
        let (a, b) = values.split_at(values.len() / 2);
        Self { rows: [a, b], spread: distance(a, b) }
    }

    /// max d(a,p) − d(a,n): the wider of the two pairs less the narrowest gap between them.
    fn violation(&self, other: &Self) -> f32 {
        let gaps = self.rows.iter().flat_map(|a| other.rows.iter().map(|b| distance(a, b)));
        self.spread.max(other.spread) - gaps.fold(f32::INFINITY, f32::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Recomputes every triplet of every waiting class at every step.
    fn plain(pairs: &[f32], dimension: usize, start: usize, n: usize) -> Vec<usize> {
        let count = pairs.len() / (2 * dimension);
        let row = |class: usize, which: usize| &pairs[(class * 2 + which) * dimension..][..dimension];
        let mut chosen = vec![start];
        while chosen.len() < n.min(count) {
            let mut best: Option<(f32, usize)> = None;
            for class in (0..count).filter(|class| !chosen.contains(class)) {
                let mut violation = f32::NEG_INFINITY;
                for &other in &chosen {
                    for (one, two) in [(class, other), (other, class)] {
                        for (a, p, n) in [(0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1)] {
                            let z = distance(row(one, a), row(one, p)) - distance(row(one, a), row(two, n));
                            violation = violation.max(z);
                        }
                    }
                }
                if best.is_none_or(|(most, _)| violation > most) {
                    best = Some((violation, class));
                }
            }
            chosen.push(best.unwrap().1);
        }
        chosen
    }

    proptest! {
        #[test]
        fn equals_the_plain_twin(
            values in prop::collection::vec(-3i8..4, 4..120),
            start in 0usize..30,
            n in 1usize..12,
        ) {
            let count = values.len() / 4;
            let pairs: Vec<f32> = values[..count * 4].iter().map(|&x| f32::from(x)).collect();
            let start = start % count;
            prop_assert_eq!(n_pair_classes(&pairs, 2, start, n), plain(&pairs, 2, start, n));
        }
    }

    #[test]
    fn neighbours_of_the_first_class_come_first() {
        // Classes on a line at 0, 10, 1, 20 and 3, each of spread 0.2.
        let pairs: Vec<f32> = [0.0, 10.0, 1.0, 20.0, 3.0].iter().flat_map(|&x| [x - 0.1, x + 0.1]).collect();
        assert_eq!(n_pair_classes(&pairs, 1, 0, 4), [0, 2, 4, 1]);
        assert_eq!(n_pair_classes(&pairs, 1, 3, 2), [3, 1]);
        assert_eq!(n_pair_classes(&pairs, 1, 1, 99).len(), 5);
        assert!(n_pair_classes(&[], 3, 0, 4).is_empty());
    }
}
