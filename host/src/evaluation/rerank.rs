//! Re-ranking with k-reciprocal neighbours: pictures that are among each other's nearest support one another.
//!
//! Zhong et al. 2017, "Re-ranking Person Re-identification with k-reciprocal Encoding". All distances are squared
//! Euclidean ones of unit vectors, `2 − 2·cos`, divided by the largest in their row. Only each picture's nearest
//! neighbours are kept, never the whole matrix.

use super::ranking::rank_by;
use super::scores::{Scorer, highest};
use super::{Embeddings, EvaluationError, Ranking};
use rayon::prelude::*;
use std::collections::HashMap;

/// The settings of re-ranking, by default those of the paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rerank {
    /// Neighbours that are asked whether they are mutual.
    pub k1: usize,
    /// Neighbours whose encodings are averaged (query expansion).
    pub k2: usize,
    /// Weight of the original distance, 0 to 1.
    pub lambda: f32,
}

impl Default for Rerank {
    fn default() -> Self {
        Self { k1: 20, k2: 6, lambda: 0.3 }
    }
}

/// Ranks the gallery for every query after re-ranking. Scores in the result are `1 − d` with the combined distance `d`.
///
/// # Errors
/// Those of [`super::rank`].
pub fn rerank(queries: &Embeddings, gallery: &Embeddings, settings: &Rerank) -> Result<Ranking, EvaluationError> {
    queries.check_against(gallery)?;
    let all = concatenated(queries, gallery)?;
    let neighbours = Scorer::new(&all, &all).map(|_, scores| nearest_in(scores, settings.k1 + 1));
    let codes = expanded(&encoded(&all, &neighbours, settings.k1), &neighbours, settings.k2);
    let (codes, gallery_codes) = codes.split_at(queries.len());
    let holders = holders(gallery_codes);
    rank_by(queries, gallery, |query, row| {
        let farthest = neighbours[query].farthest;
        let shared = shared(&codes[query], &holders, row.len());
        for (score, shared) in row.iter_mut().zip(shared) {
            let jaccard = 1.0 - shared / (2.0 - shared);
            let original = (2.0 - 2.0 * *score) / farthest;
            *score = 1.0 - ((1.0 - settings.lambda) * jaccard + settings.lambda * original);
        }
    })
}

fn concatenated(queries: &Embeddings, gallery: &Embeddings) -> Result<Embeddings, EvaluationError> {
    Embeddings::new(
        queries.dimension(),
        [queries.vectors(), gallery.vectors()].concat(),
        [queries.identities(), gallery.identities()].concat(),
        [queries.cameras(), gallery.cameras()].concat(),
    )
}

/// A picture's nearest pictures, itself included, nearest first.
struct Neighbours {
    nearest: Vec<usize>,
    /// The largest distance in its row, which normalizes.
    farthest: f32,
}

/// The `count` nearest of a row of similarities.
fn nearest_in(scores: &[f32], count: usize) -> Neighbours {
    let lowest = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let farthest = (2.0 - 2.0 * lowest).max(f32::MIN_POSITIVE);
    Neighbours { nearest: highest(scores, count), farthest }
}

/// A sparse vector: weights of neighbours, by rising index.
type Code = Vec<(usize, f32)>;

/// The mutual neighbours among a picture's `k` nearest: R(i, k) of the paper.
fn mutual(all: &[Neighbours], picture: usize, k: usize) -> Vec<usize> {
    let within = |a: usize, b: usize| all[a].nearest.iter().take(k + 1).any(|&index| index == b);
    let candidates = all[picture].nearest.iter().take(k + 1).copied();
    candidates.filter(|&candidate| within(candidate, picture)).collect()
}

/// Weights `exp(−d)` over the mutual neighbours and over those sets of theirs that overlap by two thirds.
fn encoded(pictures: &Embeddings, all: &[Neighbours], k: usize) -> Vec<Code> {
    let half = k.div_ceil(2);
    let halves: Vec<Vec<usize>> = (0..all.len()).into_par_iter().map(|picture| mutual(all, picture, half)).collect();
    let encode = |picture: usize| {
        let own = mutual(all, picture, k);
        let mut members = own.clone();
        for &neighbour in &own {
            let theirs = &halves[neighbour];
            let common = theirs.iter().filter(|index| own.contains(index)).count();
            if 3 * common > 2 * theirs.len() {
                members.extend(theirs);
            }
        }
        members.sort_unstable();
        members.dedup();
        members
    };
    (0..all.len())
        .into_par_iter()
        .map(|picture| weighted(pictures, all[picture].farthest, picture, encode(picture)))
        .collect()
}

fn weighted(pictures: &Embeddings, farthest: f32, picture: usize, members: Vec<usize>) -> Code {
    let own = pictures.row(picture);
    let distance = |member: usize| {
        let score: f32 = own.iter().zip(pictures.row(member)).map(|(a, b)| a * b).sum();
        (2.0 - 2.0 * score) / farthest
    };
    let mut code: Code = members.into_iter().map(|member| (member, (-distance(member)).exp())).collect();
    let total: f32 = code.iter().map(|&(_, weight)| weight).sum();
    code.iter_mut().for_each(|(_, weight)| *weight /= total);
    code
}

/// Each code becomes the mean over the picture's `k` nearest.
fn expanded(codes: &[Code], all: &[Neighbours], k: usize) -> Vec<Code> {
    if k <= 1 {
        return codes.to_vec();
    }
    let mean = |neighbours: &Neighbours| {
        let mut sums = HashMap::<usize, f32>::new();
        let chosen = &neighbours.nearest[..k.min(neighbours.nearest.len())];
        for &(member, weight) in chosen.iter().flat_map(|&index| &codes[index]) {
            *sums.entry(member).or_default() += weight;
        }
        let mut code: Code = sums.into_iter().map(|(member, sum)| (member, sum / chosen.len() as f32)).collect();
        code.sort_unstable_by_key(|&(member, _)| member);
        code
    };
    all.par_iter().map(mean).collect()
}

/// For each member, which gallery entries have it in their codes, with what weight.
fn holders(gallery: &[Code]) -> HashMap<usize, Vec<(usize, f32)>> {
    let mut holders = HashMap::<usize, Vec<(usize, f32)>>::new();
    for (entry, code) in gallery.iter().enumerate() {
        for &(member, weight) in code {
            holders.entry(member).or_default().push((entry, weight));
        }
    }
    holders
}

/// `Σⱼ min(V[query, j], V[entry, j])` for each gallery entry.
fn shared(code: &Code, holders: &HashMap<usize, Vec<(usize, f32)>>, gallery: usize) -> Vec<f32> {
    let mut sums = vec![0.0; gallery];
    for (member, weight) in code {
        for &(entry, other) in holders.get(member).into_iter().flatten() {
            sums[entry] += weight.min(other);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Identity;
    use crate::evaluation::rank;

    /// `people` clusters on a sphere, each seen by three cameras that shift it in a common direction.
    fn clusters(people: usize) -> (Embeddings, Embeddings) {
        let mut state = 7u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        };
        let centres: Vec<[f32; 8]> = (0..people).map(|_| std::array::from_fn(|_| next())).collect();
        let seen: Vec<(usize, u32, [f32; 8])> = (0..people * 6)
            .map(|i| {
                (i % people, (i / people) as u32 % 3, std::array::from_fn(|k| centres[i % people][k] + 0.55 * next()))
            })
            .collect();
        let embeddings = |part: &[(usize, u32, [f32; 8])]| {
            let vectors = part.iter().flat_map(|one| one.2).collect();
            let identities = part.iter().map(|one| Identity::Known(one.0)).collect();
            Embeddings::new(8, vectors, identities, part.iter().map(|one| one.1).collect()).unwrap()
        };
        (embeddings(&seen[..people]), embeddings(&seen[people..]))
    }

    /// The paper's algorithm on full matrices.
    fn distances_plainly(queries: &Embeddings, gallery: &Embeddings, settings: &Rerank) -> Vec<Vec<f32>> {
        let all = concatenated(queries, gallery).unwrap();
        let n = all.len();
        let dot = |a: usize, b: usize| all.row(a).iter().zip(all.row(b)).fold(0.0, |sum, (x, y)| sum + x * y);
        let mut distance: Vec<Vec<f32>> = (0..n).map(|a| (0..n).map(|b| 2.0 - 2.0 * dot(a, b)).collect()).collect();
        for row in &mut distance {
            let most = row.iter().copied().fold(0.0, f32::max);
            row.iter_mut().for_each(|d| *d /= most);
        }
        let order: Vec<Vec<usize>> = (0..n)
            .map(|a| {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|&x, &y| dot(a, y).total_cmp(&dot(a, x)).then(x.cmp(&y)));
                order
            })
            .collect();
        let mutual = |a: usize, k: usize| -> Vec<usize> {
            order[a].iter().take(k + 1).copied().filter(|&b| order[b].iter().take(k + 1).any(|&c| c == a)).collect()
        };
        let mut v = vec![vec![0.0f32; n]; n];
        for a in 0..n {
            let own = mutual(a, settings.k1);
            let mut set = vec![false; n];
            own.iter().for_each(|&b| set[b] = true);
            for &b in &own {
                let theirs = mutual(b, settings.k1.div_ceil(2));
                if theirs.iter().filter(|c| own.contains(c)).count() * 3 > theirs.len() * 2 {
                    theirs.iter().for_each(|&c| set[c] = true);
                }
            }
            let total: f32 = (0..n).filter(|&b| set[b]).map(|b| (-distance[a][b]).exp()).sum();
            (0..n).filter(|&b| set[b]).for_each(|b| v[a][b] = (-distance[a][b]).exp() / total);
        }
        let mean: Vec<Vec<f32>> = (0..n)
            .map(|a| {
                let chosen = &order[a][..settings.k2];
                (0..n).map(|b| chosen.iter().map(|&c| v[c][b]).sum::<f32>() / chosen.len() as f32).collect()
            })
            .collect();
        let combined = |q: usize, g: usize| {
            let shared: f32 = (0..n).map(|b| mean[q][b].min(mean[g][b])).sum();
            (1.0 - settings.lambda) * (1.0 - shared / (2.0 - shared)) + settings.lambda * distance[q][g]
        };
        (0..queries.len()).map(|q| (queries.len()..n).map(|g| combined(q, g)).collect()).collect()
    }

    #[test]
    fn sparse_re_ranking_is_the_papers() {
        let (queries, gallery) = clusters(12);
        let settings = Rerank { k1: 7, k2: 3, lambda: 0.3 };
        let plain = distances_plainly(&queries, &gallery, &settings);
        let ranking = rerank(&queries, &gallery, &settings).unwrap();
        for query in &ranking.queries {
            for candidate in &query.best {
                let expected = 1.0 - plain[query.query][candidate.gallery];
                assert!((candidate.score - expected).abs() < 1e-4, "{} is not {expected}", candidate.score);
            }
        }
    }

    #[test]
    fn neighbours_help_one_another() {
        let (queries, gallery) = clusters(40);
        let before = rank(&queries, &gallery).unwrap().map;
        let after = rerank(&queries, &gallery, &Rerank { k1: 6, k2: 3, lambda: 0.3 }).unwrap().map;
        assert!(after > before + 0.02, "{before} → {after}");
    }

    #[test]
    fn tiny_galleries_are_fine() {
        let (queries, gallery) = clusters(2);
        let ranking = rerank(&queries, &gallery, &Rerank::default()).unwrap();
        assert_eq!(ranking.queries.len(), 2);
        assert!(rerank(&queries, &gallery.filter(|_| false), &Rerank::default()).is_err());
    }
}
