//! Semi-hard: for each anchor and positive the nearest negative that is farther than the positive, but not by the margin.

use super::{Distances, Triplet};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What stands for a negative where none is in the band d(a,p) < d(a,n) ≤ d(a,p) + m.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Nothing: the pair makes no triplet.
    Skip,
    /// The farthest negative, the gentlest choice.
    Farthest,
    /// The nearest negative, as batch-hard would choose.
    Hardest,
}

/// At most one triplet for each anchor and positive, in their order (Schroff, Kalenichenko, Philbin 2015, §3.2).
///
/// Of equal distances the lower row wins, so results repeat.
///
/// # Shapes
/// `identities`: `[B]`, that of every embedding.
pub fn semi_hard(distances: &Distances, identities: &[u32], margin: f32, fallback: Fallback) -> Vec<Triplet> {
    let of_anchor = |anchor: usize| {
        let row = distances.row(anchor);
        let same = |&other: &usize| identities[other] == identities[anchor];
        let (positives, negatives): (Vec<usize>, Vec<usize>) =
            (0..row.len()).filter(|&other| other != anchor).partition(same);
        let choose = move |positive: usize| {
            let negative =
                in_band(row, &negatives, row[positive], margin).or_else(|| stand_in(row, &negatives, fallback));
            Some(Triplet { anchor, positive, negative: negative? })
        };
        positives.into_iter().filter_map(choose).collect::<Vec<_>>()
    };
    (0..distances.anchors()).into_par_iter().flat_map_iter(of_anchor).collect()
}

fn in_band(row: &[f32], negatives: &[usize], to_positive: f32, margin: f32) -> Option<usize> {
    let inside = |&&other: &&usize| row[other] > to_positive && row[other] <= to_positive + margin;
    negatives.iter().filter(inside).copied().reduce(|best, other| if row[other] < row[best] { other } else { best })
}

fn stand_in(row: &[f32], negatives: &[usize], fallback: Fallback) -> Option<usize> {
    let better = |best: usize, other: usize| match fallback {
        Fallback::Farthest => row[other] > row[best],
        Fallback::Hardest | Fallback::Skip => row[other] < row[best],
    };
    let chosen = negatives.iter().copied().reduce(|best, other| if better(best, other) { other } else { best });
    chosen.filter(|_| fallback != Fallback::Skip)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a line: anchor 0 at 0 with positives at 1 and 5; negatives at 0.5, 1.2, 1.3 and 9.
    #[test]
    fn picks_by_hand() {
        let distances = Distances::new(&[0.0, 1.0, 5.0, 0.5, 1.2, 1.3, 9.0], 1);
        let identities = [7, 7, 7, 8, 9, 9, 8];
        let chosen = |fallback| -> Vec<(usize, usize)> {
            let triplets = semi_hard(&distances, &identities, 0.3, fallback);
            triplets.iter().filter(|t| t.anchor == 0).map(|t| (t.positive, t.negative)).collect()
        };
        assert_eq!(chosen(Fallback::Skip), [(1, 4)]);
        assert_eq!(chosen(Fallback::Farthest), [(1, 4), (2, 6)]);
        assert_eq!(chosen(Fallback::Hardest), [(1, 4), (2, 3)]);
    }

    #[test]
    fn without_positives_or_negatives_there_is_nothing_to_choose() {
        let distances = Distances::new(&[0.0, 1.0, 3.0], 1);
        for fallback in [Fallback::Skip, Fallback::Farthest, Fallback::Hardest] {
            assert_eq!(semi_hard(&distances, &[1, 1, 1], 0.3, fallback), []);
            assert_eq!(semi_hard(&distances, &[1, 2, 3], 0.3, fallback), []);
        }
    }
}
