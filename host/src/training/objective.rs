//! What a step minimizes: the weighted sum of the recipe's losses, and where its gradients go.

use super::history::StepReport;
use super::randomness::{Purpose, stream};
use super::vitals::Vitals;
use crate::loss::{Batch, Learned, LossTerm, Margin, Outputs, Sizes, TermValue, TripletSettings};
use crate::mining::{Counts, Distances, Metric, TripletShares};

/// The losses of a run.
#[derive(Debug, Clone)]
pub struct Objective {
    terms: Vec<LossTerm>,
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
}

/// What a batch looks like where the first triplet loss measures it; where there is none, on normalized embeddings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// For the watchdog.
    pub vitals: Vitals,
    /// The distance on which the loss works, where it has one.
    pub reach: Option<f32>,
    /// Classes of the triplets of the first [`COUNTED_ANCHORS`].
    pub triplets: TripletShares,
}

/// Anchors whose triplets are counted in each batch. Identities come in a random order, so the first anchors are a fair
/// sample, and looking at a batch costs a part of what the loss's own distances do.
const COUNTED_ANCHORS: usize = 32;

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
        Self { terms: terms.to_vec() }
    }

    /// The losses of one batch; `learned` as [`untrained`] made it.
    pub fn evaluate(&self, outputs: &Outputs<'_>, learned: &[Learned]) -> Evaluation {
        let values = outputs.raw.embeddings.len();
        let mut sum = Evaluation {
            report: StepReport::default(),
            raw: vec![0.0; values],
            neck: vec![0.0; values],
            learned: Vec::with_capacity(self.terms.len()),
        };
        for (term, learned) in self.terms.iter().zip(learned) {
            let mut value = term.loss().evaluate(outputs, learned);
            let weight = term.loss().weight();
            add_scaled(&mut sum.raw, &value.raw, weight);
            add_scaled(&mut sum.neck, &value.neck, weight);
            value.learned.iter_mut().for_each(|gradient| *gradient *= weight);
            sum.learned.push(std::mem::take(&mut value.learned));
            tell(&mut sum.report, &value, weight);
        }
        sum
    }

    /// Moves what losses learn by rules of their own, once a batch was minimized.
    pub fn follow(&self, outputs: &Outputs<'_>, learned: &mut [Learned]) {
        for (term, learned) in self.terms.iter().zip(learned) {
            term.loss().follow(outputs, learned);
        }
    }

    /// Looks at raw embeddings.
    pub fn view(&self, raw: &Batch<'_>) -> View {
        // Lengths do not count where embeddings are compared by their cosine in the end.
        let unguided = TripletSettings { normalize: true, ..TripletSettings::default() };
        let guiding = self.terms.iter().find_map(triplet);
        let settings = guiding.unwrap_or(&unguided);
        let measured = settings.measured(raw);
        let anchors = raw.identities.len().min(COUNTED_ANCHORS);
        let distances = Distances::of_anchors(settings.distance, &measured, raw.dimension, anchors);
        View {
            vitals: Vitals::of(raw.embeddings, &measured, raw.dimension),
            reach: guiding.map(reach),
            triplets: Counts::of_batch(&distances, raw.identities, settings.margin).shares(),
        }
    }

    /// Whether a share of active triplets of 0 means that nothing is taught: a hinge is flat there, a soft margin is not.
    pub fn is_idle_without_active(&self) -> bool {
        self.terms.iter().find_map(triplet).is_some_and(|settings| settings.charged() != Margin::Soft)
    }
}

/// The Euclidean distance that is the margin of a hinge, or 1 of a soft margin; normalized embeddings of an untrained network lie close, and are well so.
fn reach(settings: &TripletSettings) -> f32 {
    let reach = match settings.charged() {
        Margin::Hinge(margin) => match settings.distance {
            Metric::Euclidean => margin,
            Metric::SquaredEuclidean => margin.sqrt(),
            Metric::Cosine => (2.0 * margin).sqrt(),
        },
        Margin::Soft => 1.0,
    };
    if settings.normalizes() { reach.min(0.4) } else { reach }
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

    /// Embeddings of one direction and different lengths are spread out, but not where a normalized loss measures them.
    #[test]
    fn a_batch_is_looked_at_where_the_loss_measures() {
        let raw = [1.0, 2.0, 2.0, 4.0, 3.0, 6.0, 4.0, 8.0];
        let view = |normalize, soft_margin| {
            let settings = TripletSettings { normalize, soft_margin, margin: 0.5, ..TripletSettings::default() };
            Objective::new(&[LossTerm::Triplet(settings)]).view(&outputs(&raw).raw)
        };
        assert!(view(true, false).vitals.spread < 1e-6 && view(false, false).vitals.spread > 1.0);
        let reaches =
            [(false, false), (false, true), (true, true)].map(|(normalize, soft)| view(normalize, soft).reach);
        assert_eq!(reaches, [Some(0.5), Some(1.0), Some(0.4)]);
        let id = Objective::new(&[LossTerm::named("cross_entropy").unwrap()]);
        assert_eq!((id.view(&outputs(&raw).raw).reach, id.is_idle_without_active()), (None, false));
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

    /// `cargo test -p deja --lib objective::tests::a_look_costs -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn a_look_costs() {
        let (count, dimension) = (256, 128);
        let raw: Vec<f32> = (0..count * dimension).map(|i| ((i * 7919) % 1009) as f32 / 1009.0).collect();
        let identities: Vec<u32> = (0..count as u32).map(|row| row / 4).collect();
        let batch = Batch { embeddings: &raw, dimension, identities: &identities };
        let objective = Objective::new(&[LossTerm::named("triplet").unwrap()]);
        let median = |work: &dyn Fn()| {
            let time = |_| {
                let start = std::time::Instant::now();
                work();
                start.elapsed().as_secs_f64() * 1e3
            };
            let mut times: Vec<f64> = (0..51).map(time).collect();
            times.sort_by(f64::total_cmp);
            times[25]
        };
        let all = || {
            Counts::of_batch(&Distances::new(&raw, dimension), &identities, 0.3);
        };
        let vitals = || {
            Vitals::of(&raw, &raw, dimension);
        };
        let look = || {
            objective.view(&batch);
        };
        println!(
            "B = {count}, D = {dimension}: all distances and triplets {:.2} ms, vitals {:.2} ms, the whole look {:.2} ms",
            median(&all),
            median(&vitals),
            median(&look)
        );
    }
}
