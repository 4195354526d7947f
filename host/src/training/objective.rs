//! What a step minimizes: the weighted sum of the recipe's losses, and where its gradients go.

use super::history::StepReport;
use super::randomness::{Purpose, stream};
use crate::loss::{Learned, Loss, LossTerm, Margin, Outputs, Sizes, TermValue, TripletSettings};
use crate::mining::CollapseWatch;
use crate::mining::collapse::Collapse;

/// The losses of a run, with the watch over the first triplet loss among them.
#[derive(Debug, Clone)]
pub struct Objective {
    terms: Vec<LossTerm>,
    watch: Option<CollapseWatch>,
}

/// The sum's value and gradients, weighted.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// What there is to say about the batch.
    pub report: StepReport,
    /// ∂L/∂raw embeddings, `[B, dimension]`.
    pub raw: Vec<f32>,
    /// ∂L/∂embeddings behind the neck, `[B, dimension]`.
    pub neck: Vec<f32>,
    /// ∂L/∂ what each loss learns for itself; empty where it learns nothing.
    pub learned: Vec<Vec<f32>>,
    /// Set when the embeddings have collapsed.
    pub collapse: Option<Collapse>,
}

/// What each loss learns for itself, before the first step.
pub fn untrained(terms: &[LossTerm], sizes: Sizes, seed: u64) -> Vec<Learned> {
    // Streams count what is learned, not terms: a metric loss more does not change the classifier's first weights.
    let mut count = 0;
    let learned = terms.iter().map(|term| {
        let learned = term.loss().untrained(sizes, &mut stream(seed, Purpose::Classifier, 0, count));
        count += u64::from(learned != Learned::Nothing);
        learned
    });
    learned.collect()
}

impl Objective {
    /// L = Σ weight · loss over `terms`.
    pub fn new(terms: &[LossTerm]) -> Self {
        let watch = terms.iter().find_map(triplet).map(|settings| match settings.charged() {
            Margin::Hinge(margin) => CollapseWatch::new(Some(margin)),
            Margin::Soft => CollapseWatch::new(None),
        });
        Self { terms: terms.to_vec(), watch }
    }

    /// The losses of one batch; `learned` as [`untrained`] made it.
    pub fn evaluate(&mut self, outputs: &Outputs<'_>, learned: &[Learned]) -> Evaluation {
        let values = outputs.raw.embeddings.len();
        let mut sum = Evaluation {
            report: StepReport::default(),
            raw: vec![0.0; values],
            neck: vec![0.0; values],
            learned: Vec::with_capacity(self.terms.len()),
            collapse: None,
        };
        for (term, learned) in self.terms.iter().zip(learned) {
            let mut value = term.loss().evaluate(outputs, learned);
            add_past(&mut value, term.loss(), outputs);
            let weight = term.loss().weight();
            add_scaled(&mut sum.raw, &value.raw, weight);
            add_scaled(&mut sum.neck, &value.neck, weight);
            value.learned.iter_mut().for_each(|gradient| *gradient *= weight);
            sum.learned.push(std::mem::take(&mut value.learned));
            tell(&mut sum.report, &value, weight);
        }
        sum.collapse = self.watched(outputs, &sum.report);
        sum
    }

    /// Moves what losses learn by rules of their own, once a batch was minimized.
    pub fn follow(&self, outputs: &Outputs<'_>, learned: &mut [Learned]) {
        for (term, learned) in self.terms.iter().zip(learned) {
            term.loss().follow(outputs, learned);
        }
    }

    fn watched(&mut self, outputs: &Outputs<'_>, report: &StepReport) -> Option<Collapse> {
        let (settings, &value) = self.terms.iter().zip(&report.terms).find_map(|(t, v)| Some((triplet(t)?, v)))?;
        self.watch.as_mut()?.observe(value, &settings.measured(&outputs.raw), outputs.raw.dimension)
    }
}

/// Where the losses look at past batches: the mean of the loss within the batch and of that against past ones.
fn add_past(value: &mut TermValue, loss: &dyn Loss, outputs: &Outputs<'_>) {
    let Some(past) = outputs.past.filter(|_| loss.remembers()) else { return };
    let against = loss.against(&outputs.raw, &past);
    value.value = 0.5 * (value.value + against.value);
    value.raw.iter_mut().zip(&against.gradient).for_each(|(within, against)| *within = 0.5 * (*within + against));
}

fn triplet(term: &LossTerm) -> Option<&TripletSettings> {
    if let LossTerm::Triplet(settings) = term { Some(settings) } else { None }
}

/// The first metric loss and the first ID loss are told apart from the rest.
fn tell(report: &mut StepReport, value: &TermValue, weight: f32) {
    report.loss += weight * value.value;
    report.terms.push(value.value);
    if let (Some([active, positive, negative]), None) = (value.pairs, report.metric_loss) {
        report.metric_loss = Some(value.value);
        report.active_fraction = active;
        report.positive_distance = positive;
        report.negative_distance = negative;
    }
    if let (Some(correct), None) = (value.correct, report.id_loss) {
        report.id_loss = Some(value.value);
        report.id_correct = correct;
    }
}

fn add_scaled(sum: &mut [f32], values: &[f32], factor: f32) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Batch;

    const IDENTITIES: &[u32] = &[0, 0, 1, 1];
    const SIZES: Sizes = Sizes { dimension: 2, identities: 2, teacher: None };

    fn outputs(raw: &[f32]) -> Outputs<'_> {
        let batch = Batch { embeddings: raw, dimension: 2, identities: IDENTITIES };
        Outputs { raw: batch, neck: batch, pictures: &[0, 1, 2, 3], triplets: &[], teacher: None, past: None }
    }

    fn weighted(term: &LossTerm, weight: f32) -> LossTerm {
        let mut json = serde_json::to_value(term).unwrap();
        json["weight"] = weight.into();
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_sum_is_weighted_and_each_gradient_goes_to_its_own_place() {
        let raw = [0.1, 0.4, 0.3, -0.2, 0.2, 0.1, -0.5, 0.3];
        let [a, b] = ["triplet", "cross_entropy"].map(|name| LossTerm::named(name).unwrap());
        let alone = |term: &LossTerm| {
            let terms = [term.clone()];
            Objective::new(&terms).evaluate(&outputs(&raw), &untrained(&terms, SIZES, 1))
        };
        let (metric, id) = (alone(&a), alone(&b));
        let terms = [weighted(&a, 2.0), weighted(&b, 0.5)];
        let sum = Objective::new(&terms).evaluate(&outputs(&raw), &untrained(&terms, SIZES, 1));
        assert_eq!(sum.report.loss, 2.0 * metric.report.loss + 0.5 * id.report.loss);
        assert_eq!(sum.report.terms, [metric.report.loss, id.report.loss]);
        assert_eq!((sum.report.metric_loss, sum.report.id_loss), (Some(metric.report.loss), Some(id.report.loss)));
        assert!(metric.neck.iter().all(|&g| g == 0.0) && id.raw.iter().all(|&g| g == 0.0));
        assert!(sum.raw.iter().zip(&metric.raw).all(|(sum, alone)| *sum == 2.0 * alone));
        assert!(sum.neck.iter().zip(&id.neck).all(|(sum, alone)| *sum == 0.5 * alone));
        assert!(sum.learned[0].is_empty() && sum.learned[1].len() == 4);
        assert!(sum.learned[1].iter().zip(&id.learned[0]).all(|(sum, alone)| *sum == 0.5 * alone));
    }

    #[test]
    fn past_batches_count_half_and_only_for_losses_that_remember() {
        let (raw, before) = ([0.1, 0.4, 0.3, -0.2, 0.2, 0.1, -0.5, 0.3], [0.2, 0.3, -0.4, 0.1, 0.3, 0.3]);
        let past = Batch { embeddings: &before, dimension: 2, identities: &[0, 1, 1] };
        let terms = ["triplet", "cross_entropy"].map(|name| LossTerm::named(name).unwrap());
        let learned = untrained(&terms, SIZES, 1);
        let within = Objective::new(&terms).evaluate(&outputs(&raw), &learned);
        let both = Objective::new(&terms).evaluate(&Outputs { past: Some(past), ..outputs(&raw) }, &learned);
        let against = terms[0].loss().against(&outputs(&raw).raw, &past);
        assert!(against.value > 0.0 && against.gradient.len() == 8);
        assert_eq!(both.report.terms, [0.5 * (within.report.terms[0] + against.value), within.report.terms[1]]);
        let halves = within.raw.iter().zip(&against.gradient).map(|(a, b)| 0.5 * (a + b));
        assert!(both.raw.iter().zip(halves).all(|(got, expected)| (got - expected).abs() < 1e-6));
        assert_eq!(both.neck, within.neck);
    }

    #[test]
    fn centers_follow_and_the_rest_waits_for_the_optimizer() {
        let raw = [0.1, 0.4, 0.3, -0.2, 0.2, 0.1, -0.5, 0.3];
        let terms = ["center", "cross_entropy"].map(|name| LossTerm::named(name).unwrap());
        let mut learned = untrained(&terms, SIZES, 1);
        let before = learned.clone();
        let objective = Objective::new(&terms);
        objective.follow(&outputs(&raw), &mut learned);
        assert!(learned[0] != before[0] && learned[1] == before[1]);
        assert_eq!((learned[0].trained(), learned[1].trained()), (0, 4));
    }

    #[test]
    fn a_run_without_id_loss_learns_nothing_beside_the_network() {
        let terms = [LossTerm::named("triplet").unwrap()];
        let learned = untrained(&terms, SIZES, 1);
        assert_eq!(learned, [Learned::Nothing]);
        let report = Objective::new(&terms).evaluate(&outputs(&[0.5; 8]), &learned).report;
        assert_eq!((report.id_loss, report.id_correct), (None, 0.0));
    }
}
