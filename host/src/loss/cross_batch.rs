//! Positives and negatives from past batches for the anchors of the present one (Wang et al. 2020).

use super::{Batch, MetricLoss, Outputs};

/// `loss(rows, anchors)` of the batch, or, where there are past ones, of the batch with these behind it: anchors are the rows
/// of the batch alone, and so is what the gradient, `[B, dimension]`, is with respect to.
pub(super) fn among_past(outputs: &Outputs<'_>, loss: impl Fn(&Batch<'_>, usize) -> MetricLoss) -> MetricLoss {
    let Outputs { raw, past, .. } = outputs;
    let anchors = raw.identities.len();
    let Some(past) = past else { return loss(raw, anchors) };
    let embeddings = [raw.embeddings, past.embeddings].concat();
    let identities = [raw.identities, past.identities].concat();
    let rows = Batch { embeddings: &embeddings, dimension: raw.dimension, identities: &identities };
    let mut loss = loss(&rows, anchors);
    loss.gradient.truncate(raw.embeddings.len());
    loss
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase};
    use super::super::{Learned, LossTerm};
    use super::*;

    fn value(name: &str, batch: &Batch<'_>, past: Option<Batch<'_>>) -> (f32, Vec<f32>) {
        let term = LossTerm::named(name).unwrap();
        let outputs = Outputs { raw: *batch, neck: *batch, pictures: &[], triplets: &[], teacher: None, past };
        let value = term.loss().evaluate(&outputs, &Learned::Nothing);
        (value.value, value.raw)
    }

    /// Each one's values and gradients are checked where the loss is.
    const REMEMBER: [&str; 7] =
        ["batch_hard", "batch_all", "batch_weighted", "semi_hard", "contrastive", "multi_similarity", "circle"];

    /// An anchor whose positives and negatives are all in the past: by hand on a line.
    #[test]
    fn the_past_gives_what_the_batch_lacks() {
        let batch = Batch { embeddings: &[0.0, 10.0], dimension: 1, identities: &[0, 1] };
        let past = Batch { embeddings: &[3.0, 1.0, 2.0, 30.0], dimension: 1, identities: &[0, 0, 4, 1] };
        assert_eq!(value("batch_hard", &batch, None).0, 0.0);
        // Anchor 0: positive at 3, negative at 2; anchor 10: positive at 30, negative at 3. Charges 1.3 and 13.3.
        let (loss, gradient) = value("batch_hard", &batch, Some(past));
        assert!((loss - 7.3).abs() < 1e-5, "{loss}");
        // d(0, 3) falls and d(0, 2) falls as the anchor moves up: they cancel. d(10, 30) falls, d(10, 3) grows.
        assert_eq!(gradient, [0.0, -1.0]);
    }

    #[test]
    fn an_empty_past_changes_nothing() {
        let (case, none) = (EdgeCase::random(24, &[0, 0, 1, 1], 3), EdgeCase::random(25, &[], 3));
        for name in REMEMBER {
            assert_eq!(value(name, &case.batch(), Some(none.batch())), value(name, &case.batch(), None));
        }
    }

    #[test]
    fn these_remember_and_no_others() {
        for name in LossTerm::NAMES {
            let known = REMEMBER.contains(name) || *name == "triplet";
            assert_eq!(LossTerm::named(name).unwrap().loss().remembers(), known, "{name}");
        }
    }

    #[test]
    fn edge_cases_are_finite() {
        for (case, past) in
            check::cases().iter().zip(check::cases().iter().rev()).filter(|(a, b)| a.dimension == b.dimension)
        {
            for name in REMEMBER {
                let (value, gradient) = value(name, &case.batch(), Some(past.batch()));
                assert!(value.is_finite() && gradient.iter().all(|g| g.is_finite()), "{name}: {}", case.name);
            }
        }
    }
}
