//! The two nearest identities of a gallery, exactly.
//!
//! Kernels pass over whole quads of templates that are certainly farther than the runner-up. Let d and n be the dot
//! product and the norm of a template, D, N those of the runner-up with D > 0, ℓ = ⌊16·√n⌋ and L = ⌊16·√N⌋. A template
//! that is not farther has d ≥ D·√n/√N ≥ D·ℓ/(L + 1), so that 256·d ≥ slope·ℓ with slope = ⌊256·D/(L + 1)⌋. What is not
//! passed over is compared exactly.

use deja_shared::embedding::Embedding;

use crate::gallery::Templates;
use crate::kernels::quad::LANES;
use crate::kernels::selected::Probe;

/// With this slope nothing is passed over. An embedding has norms from 127² to 256·127², so that ℓ ≥ 127 and
/// 256·d ≥ −256·√n·16·127 > −127·256·(ℓ + 1) ≥ −2¹⁵·ℓ.
const EVERYTHING: i32 = -(1 << 15);

/// How a template compares with a probe.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    /// Whose template it is.
    pub identity: u32,
    /// Σ cᵢ·pᵢ.
    pub dot: i32,
    /// The template's norm.
    pub norm: u32,
    /// ⌊16·√norm⌋.
    length: i32,
}

/// What stands first so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nearest {
    /// The nearest template.
    pub best: Option<Score>,
    /// The nearest one of another identity.
    pub runner_up: Option<Score>,
}

/// Compares a probe with all templates.
// Not inlined, because a board compiles what surrounds it for size.
#[inline(never)]
pub fn nearest(templates: &Templates, probe: &Embedding) -> Nearest {
    let mut prepared = Probe::empty();
    prepared.set(probe.components());
    let (keys, mut nearest, mut first) = (templates.keys(), Nearest::default(), 0);
    loop {
        let slope = nearest.slope();
        let quads = templates.quads().get(first..).unwrap_or_default();
        let Some(found) = prepared.find(quads, slope) else { return nearest };
        let Some(quad) = quads.get(found.index) else { return nearest };
        first += found.index;
        for (lane, key) in keys.iter().skip(LANES * first).take(LANES).enumerate() {
            let (excess, length) = (found.excess[lane], quad.lengths()[lane]);
            if excess >= 0 {
                let dot = (excess + slope * length) >> 8;
                nearest.offer(Score { identity: key.identity, dot, norm: key.norm, length });
            }
        }
        first += 1;
    }
}

impl Nearest {
    fn slope(&self) -> i32 {
        match self.runner_up {
            Some(score) if score.dot > 0 => (score.dot << 8).checked_div(score.length + 1).unwrap_or(EVERYTHING),
            _ => EVERYTHING,
        }
    }

    /// Keeps the two nearest *different* identities, of which `best` is the nearer one.
    fn offer(&mut self, score: Score) {
        let is_best = self.best.is_some_and(|best| best.identity == score.identity);
        if score.precedes(&self.best) {
            if !is_best {
                self.runner_up = self.best;
            }
            self.best = Some(score);
        } else if !is_best && score.precedes(&self.runner_up) {
            self.runner_up = Some(score);
        }
    }
}

impl Score {
    /// Whether it ranks before what is kept: nearer, or as near with a lower number.
    fn precedes(&self, kept: &Option<Self>) -> bool {
        let Some(kept) = kept else { return true };
        // Cosines with one and the same probe are ordered as dot·|dot|·norm of the other.
        let (own, other) = (squared(self.dot, kept.norm), squared(kept.dot, self.norm));
        own + i128::from(self.identity < kept.identity) > other
    }
}

/// dot·|dot|·norm, below 2⁶⁶, by halves, which a microcontroller multiplies in one instruction each.
fn squared(dot: i32, norm: u32) -> i128 {
    let square = i64::from(dot) * i64::from(dot.abs());
    let lower = u64::from(square as u32) * u64::from(norm);
    let upper = i64::from((square >> 32) as i32) * i64::from(norm) + (lower >> 32) as i64;
    i128::from(upper) << 32 | i128::from(lower as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cmp::Reverse;
    use deja_shared::embedding::Similarity;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn scores_are_ordered_as_similarities_are(
            scores in proptest::array::uniform2((1..=2u32, -4_129_024..=4_129_024i32, 16_129..=4_129_024u32)),
            same: bool,
            probe in 16_129..=4_129_024u32,
        ) {
            let [a, b] = scores.map(|(identity, dot, norm)| Score { identity, dot, norm, length: 0 });
            let b = if same { Score { identity: b.identity, ..a } } else { b };
            let [x, y] = [a, b].map(|score| Similarity::new(score.dot, [probe, score.norm]));
            prop_assert_eq!(a.precedes(&Some(b)), (x, Reverse(a.identity)) > (y, Reverse(b.identity)));
        }
    }
}
