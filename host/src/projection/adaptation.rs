//! Templates of one model as another would have made them, and what that costs.

use super::ProjectionError;
use super::align::{Alignment, Pair, align};
use crate::dataset::{self, Dataset, DatasetError, Identity, Images, Sample};
use crate::evaluation::{self, EmbeddingModel, Embeddings, EvaluationError, Ranking};
use crate::progress::Progress;
use crate::quantize::{Choice, HeldOut, Int8Error, Int8Model, Policy, QuantizeError, Threshold, choose};
use deja_shared::embedding::{Embedding, Q15_ONE};
use deja_shared::model::Fingerprint;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// Pictures that a threshold is chosen with: every one is compared with every other.
pub const MOST_PICTURES: usize = 3000;

/// A map between two models with its price.
#[derive(Debug, Clone)]
pub struct Adaptation {
    /// The map.
    pub alignment: Alignment,
    /// Identities that it was learned on.
    pub identities: usize,
    /// The old model on the test pictures.
    pub old: Standing,
    /// The new model, with a gallery that it embedded itself.
    pub native: Standing,
    /// The new model's probes against the old model's gallery, mapped, at [`Adaptation::threshold`].
    pub adapted: Standing,
    /// The threshold for the mapped gallery; `None` where the test pictures show too few identities to choose one.
    pub threshold: Option<Choice>,
    /// Pictures that could not be read.
    pub skipped: BTreeSet<PathBuf>,
}

/// How well test identities are found again.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Standing {
    /// Mean average precision.
    pub map: f64,
    /// CMC at rank 1.
    pub rank1: f64,
    /// Share of queries whose nearest template is right and reaches the model's threshold; `None` without a threshold.
    pub recognized: Option<f64>,
}

/// Why no adaptation was learned.
#[derive(Debug, thiserror::Error)]
pub enum AdaptationError {
    /// Nothing to do.
    #[error("both models have the fingerprint {}: the templates fit as they are", crate::device::short(.0))]
    SameModel(Fingerprint),
    /// Pictures that cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A model that cannot embed.
    #[error(transparent)]
    Model(#[from] Int8Error),
    /// Pairs that teach nothing.
    #[error(transparent)]
    Alignment(#[from] ProjectionError),
    /// Embeddings that cannot be ranked.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// Embeddings from which no threshold is chosen.
    #[error(transparent)]
    Threshold(QuantizeError),
}

/// Learns to turn templates of `old` into templates of `new` on the training pictures of `data`, and measures on its queries
/// and its gallery, of other identities, what a gallery that was adapted finds. All embeddings are the camera's own.
///
/// Cosines between a new probe and a mapped template are smaller than between two new ones, so the mapped gallery gets a
/// threshold of its own: for the false positive rate of the new model's and a gallery of `people`, chosen on the test
/// gallery's pictures (at most [`MOST_PICTURES`]), with new embeddings as probes and mapped ones as templates.
///
/// # Errors
/// [`AdaptationError`]; among it [`DatasetError::NothingToEvaluate`].
pub fn adapt(
    old: &Int8Model,
    new: &Int8Model,
    data: &Dataset,
    people: u16,
    progress: &dyn Progress,
) -> Result<Adaptation, AdaptationError> {
    let fingerprint = |model: &Int8Model| model.model().header().fingerprint;
    if fingerprint(old) == fingerprint(new) {
        return Err(AdaptationError::SameModel(fingerprint(new)));
    }
    data.check_evaluable()?;
    let train = Both::of(old, new, &data.train, progress)?;
    let pairs = train.pairs();
    let alignment = align(&pairs)?;
    let query = Both::of(old, new, &data.query, progress)?;
    let gallery = Both::of(old, new, &data.gallery, progress)?;
    let mapped: Vec<_> = gallery.old.iter().map(|old| old.as_ref().and_then(|old| alignment.apply(old))).collect();
    let [old_threshold, new_threshold] = [old, new].map(|model| model.model().header().threshold);
    let threshold = gallery.threshold(&mapped, &policy(new, people))?;
    let adapted_threshold = threshold.map_or(new_threshold, |choice| choice.threshold.q15);
    let standing = |queries: &[Option<Embedding>], templates: &[Option<Embedding>], threshold| {
        let ranking = evaluation::rank(&query.table(queries)?, &gallery.table(templates)?)?;
        Ok::<_, AdaptationError>(Standing::of(&ranking, threshold))
    };
    Ok(Adaptation {
        identities: pairs.iter().map(|pair| pair.identity).collect::<BTreeSet<_>>().len(),
        old: standing(&query.old, &gallery.old, old_threshold)?,
        native: standing(&query.new, &gallery.new, new_threshold)?,
        adapted: standing(&query.new, &mapped, adapted_threshold)?,
        threshold,
        skipped: [train.skipped, query.skipped, gallery.skipped].into_iter().flatten().collect(),
        alignment,
    })
}

/// The false positive rate that the new model's own threshold keeps, for a gallery of `people`.
fn policy(new: &Int8Model, people: u16) -> Policy {
    let fpir = f64::from(new.model().header().fpir_ppm) / 1e6;
    let usual = Policy { gallery_identities: Some(people.max(1)), ..Policy::default() };
    if fpir > 0.0 { Policy { fpir, ..usual } } else { usual }
}

impl Standing {
    fn of(ranking: &Ranking, threshold: i16) -> Self {
        let least = f32::from(threshold) / f32::from(Q15_ONE);
        let found = |query: &&evaluation::RankedQuery| {
            query.best.first().is_some_and(|nearest| nearest.correct && nearest.score >= least)
        };
        let recognized = ranking.queries.iter().filter(found).count() as f64 / ranking.queries.len().max(1) as f64;
        let has_threshold = threshold != Threshold::NOBODY.q15;
        Self { map: ranking.map, rank1: ranking.rank1(), recognized: has_threshold.then_some(recognized) }
    }
}

/// Pictures as both models embed them; `None` where a model sees nothing.
struct Both {
    old: Vec<Option<Embedding>>,
    new: Vec<Option<Embedding>>,
    identities: Vec<Identity>,
    cameras: Vec<u32>,
    skipped: Vec<PathBuf>,
}

impl Both {
    fn of(
        old: &Int8Model,
        new: &Int8Model,
        samples: &[Sample],
        progress: &dyn Progress,
    ) -> Result<Self, AdaptationError> {
        let images = dataset::load(samples, old.input(), progress)?;
        let by_old = old.embeddings(&images.pixels, progress)?;
        if old.input() == new.input() {
            let by_new = new.embeddings(&images.pixels, progress)?;
            return Ok(Self::joined((by_old, &images), (by_new, &images)));
        }
        let others = dataset::load(samples, new.input(), progress)?;
        let by_new = new.embeddings(&others.pixels, progress)?;
        Ok(Self::joined((by_old, &images), (by_new, &others)))
    }

    /// What both could read.
    fn joined(old: (Vec<Option<Embedding>>, &Images), new: (Vec<Option<Embedding>>, &Images)) -> Self {
        let places: HashMap<usize, usize> = new.1.kept.iter().copied().zip(0..).collect();
        let common = old.1.kept.iter().enumerate().filter_map(|(at, sample)| Some((at, *places.get(sample)?)));
        let skipped = old.1.skipped.iter().chain(&new.1.skipped).map(|picture| picture.path.clone()).collect();
        let mut both = Self { old: vec![], new: vec![], identities: vec![], cameras: vec![], skipped };
        for (at, place) in common {
            both.old.push(old.0[at].clone());
            both.new.push(new.0[place].clone());
            both.identities.push(old.1.identities[at]);
            both.cameras.push(old.1.cameras[at]);
        }
        both
    }

    /// Those of known identities in which both models see something.
    fn pairs(&self) -> Vec<Pair> {
        let pair = |((old, new), identity): ((&Option<Embedding>, &Option<Embedding>), &Identity)| {
            Some(Pair { old: old.clone()?, new: new.clone()?, identity: identity.known()? })
        };
        self.old.iter().zip(&self.new).zip(&self.identities).filter_map(pair).collect()
    }

    /// The threshold for new probes against mapped templates; `None` for too few identities.
    fn threshold(&self, mapped: &[Option<Embedding>], policy: &Policy) -> Result<Option<Choice>, AdaptationError> {
        let picture = |((probe, template), identity): ((&Option<Embedding>, &Option<Embedding>), &Identity)| {
            let identity = u32::try_from(identity.known()?).ok()?;
            Some(HeldOut { probe: probe.clone()?, template: template.clone()?, identity })
        };
        let pictures = self.new.iter().zip(mapped).zip(&self.identities).filter_map(picture);
        let mut by_identity = BTreeMap::<u32, Vec<HeldOut>>::new();
        pictures.for_each(|picture| by_identity.entry(picture.identity).or_default().push(picture));
        let mut held_out = vec![];
        for pictures in by_identity.into_values() {
            // Whole identities only.
            if held_out.len() + pictures.len() <= MOST_PICTURES {
                held_out.extend(pictures);
            }
        }
        match choose(&held_out, policy) {
            Err(QuantizeError::HeldOut { .. }) => Ok(None),
            choice => Ok(Some(choice.map_err(AdaptationError::Threshold)?)),
        }
    }

    /// Embeddings of these pictures, to be ranked.
    fn table(&self, embeddings: &[Option<Embedding>]) -> Result<Embeddings, EvaluationError> {
        let dimension = embeddings.iter().flatten().map(Embedding::dimension).next().unwrap_or(1);
        let row = |embedding: &Option<Embedding>| match embedding {
            Some(embedding) => embedding.components().iter().map(|&component| f32::from(component)).collect(),
            None => vec![0.0; dimension],
        };
        let vectors = embeddings.iter().flat_map(row).collect();
        Embeddings::new(dimension, vectors, self.identities.clone(), self.cameras.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Source;
    use crate::network::by_name;
    use crate::progress::Silent;
    use crate::quantize::fixtures::{INPUT, awake, pictures};
    use crate::quantize::{Settings, quantize};
    use std::path::Path;

    /// Sixty patterns, four noisy pictures of each: even random weights know them apart.
    fn patterns(folder: &Path) -> Dataset {
        for identity in 0..60 {
            let pattern = pictures(1, identity);
            std::fs::create_dir(folder.join(format!("{identity:02}"))).unwrap();
            for number in 0..4u64 {
                let speck = |at: usize| ((at as u64 * (2 * number + 1) * 0x9E37_79B9) >> 24) as u8 % 6;
                let pixels: Vec<u8> = (0..).zip(&pattern).map(|(at, pixel)| pixel.saturating_add(speck(at))).collect();
                let path = folder.join(format!("{identity:02}/{number}.png"));
                image::save_buffer(path, &pixels, INPUT[1] as u32, INPUT[0] as u32, image::ColorType::Rgb8).unwrap();
            }
        }
        dataset::open(folder).unwrap()
    }

    /// Random weights of `seed`, at a picture size of its own.
    fn model(data: &Dataset, input: [usize; 2], dimension: usize, seed: u64) -> Int8Model {
        let images = dataset::load(&data.train[..24], input, &Silent).unwrap();
        let graph = awake(by_name("mobilenet_v2_0.25", input, dimension, seed).unwrap(), seed);
        let quantized = quantize(&graph, &images.pixels, &Settings::default(), &Silent).unwrap();
        Int8Model::from_bytes(quantized.bytes).unwrap()
    }

    /// The network of `model(…, 32, 1)` with the components of its embedding in another order.
    fn reordered(data: &Dataset) -> Int8Model {
        let images = dataset::load(&data.train[..24], INPUT, &Silent).unwrap();
        let mut graph = awake(by_name("mobilenet_v2_0.25", INPUT, 32, 1).unwrap(), 1);
        let last = |name: &str| name.starts_with("head") || name.starts_with("neck");
        for parameter in graph.parameters.iter_mut().filter(|parameter| last(&parameter.name)) {
            parameter.values.chunks_exact_mut(32).for_each(|components| components.reverse());
        }
        let quantized = quantize(&graph, &images.pixels, &Settings::default(), &Silent).unwrap();
        Int8Model::from_bytes(quantized.bytes).unwrap()
    }

    #[test]
    fn a_gallery_survives_a_change_of_model() {
        let folder = tempfile::tempdir().unwrap();
        let data = patterns(folder.path());
        let (old, new) = (model(&data, INPUT, 32, 1), reordered(&data));
        let found = adapt(&old, &new, &data, 10, &Silent).unwrap();
        assert_eq!((found.identities, found.alignment.pairs), (48, data.train.len()));
        assert!(found.skipped.is_empty() && found.native.recognized.is_none());
        let [query, gallery] = [&data.query, &data.gallery].map(|part| Both::of(&old, &new, part, &Silent).unwrap());
        let unmapped = evaluation::rank(&query.table(&query.new).unwrap(), &gallery.table(&gallery.old).unwrap());
        let (unmapped, Adaptation { native, adapted, threshold, .. }) = (unmapped.unwrap().map, found);
        let figures = format!("native {native:?}, adapted {adapted:?}, unmapped {unmapped}");
        assert!(adapted.map > 0.8 * native.map && adapted.map > 1.5 * unmapped, "{figures}");
        let choice = threshold.unwrap();
        assert!(
            choice.threshold.q15 < Threshold::NOBODY.q15 && choice.threshold.gallery_identities == 10,
            "{choice:?}"
        );
        assert!(choice.strangers_accepted <= 0.1 && adapted.recognized.unwrap() > 0.0, "{choice:?}, {figures}");
    }

    #[test]
    fn models_of_different_picture_sizes_see_the_same_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let mut data = patterns(folder.path());
        data.train[3].source = Source::File("nowhere.png".into());
        let (old, new) = (model(&data, [32, 16], 16, 1), model(&data, [48, 24], 24, 2));
        let both = Both::of(&old, &new, &data.train[..20], &Silent).unwrap();
        assert_eq!((both.old.len(), both.identities.len(), both.skipped.len()), (19, 19, 2));
        for (place, sample) in [(0, 0), (3, 4), (18, 19)] {
            let alone = Both::of(&old, &new, &data.train[sample..=sample], &Silent).unwrap();
            assert_eq!((&both.old[place], &both.new[place]), (&alone.old[0], &alone.new[0]));
            assert_eq!(both.identities[place], data.train[sample].identity);
        }
    }

    #[test]
    fn what_cannot_be_adapted_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let data = patterns(folder.path());
        let [model, other] = [1, 2].map(|seed| model(&data, [32, 16], 16, seed));
        let error = adapt(&model, &model, &data, 10, &Silent).unwrap_err();
        assert!(matches!(error, AdaptationError::SameModel(_)), "{error}");
        let few = Dataset { train: data.train[..9].to_vec(), ..data.clone() };
        let error = adapt(&model, &other, &few, 10, &Silent).unwrap_err();
        assert!(matches!(error, AdaptationError::Alignment(ProjectionError::TooFewPairs { pairs: 9, .. })), "{error}");
        let mut missing = data.clone();
        missing.train[0].source = Source::File("nowhere.png".into());
        let found = adapt(&model, &other, &missing, 10, &Silent).unwrap();
        assert_eq!(found.alignment.pairs, data.train.len() - 1);
        assert!(found.skipped.iter().eq([&PathBuf::from("nowhere.png")]), "{:?}", found.skipped);
        let untested = Dataset { query: vec![], ..data };
        assert!(matches!(adapt(&model, &other, &untested, 10, &Silent), Err(AdaptationError::Dataset(_))));
    }
}
