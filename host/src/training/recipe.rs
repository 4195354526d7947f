//! A recipe: everything a run depends on besides its data, as TOML. What is left out has the default that stands here.

use super::early_stopping::EarlyStopping;
use super::optimizer::OptimizerSettings;
use super::schedule::Schedule;
use super::watchdog::WatchdogSettings;
use crate::augment::{Augment, AugmentError};
use crate::dataset::Dataset;
use crate::loss::triplet::Mining;
use crate::loss::{LossError, LossTerm, TripletSettings};
use crate::mining::memory::MemorySettings;
use crate::mining::{MiningError, OfflineSettings};
use crate::projection::MetricOnTop;
use crate::sampler::{SamplerKind, SamplerSettings};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything a run depends on besides its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Passes over the training pictures.
    pub epochs: u64,
    /// Where all randomness comes from.
    pub seed: u64,
    /// Fraction of the identities that is held out to watch the run, and later to set the decision threshold.
    pub validation: f32,
    /// Epochs between two looks at the held-out identities; the last epoch is always looked at.
    pub validate_every: u64,
    /// Decay of the running average of the weights that becomes the model, such as 0.99; 0 takes the last weights.
    pub average: f32,
    /// What is learned on the training pictures at the end and folded into the model: `none`, `whitening` or `lda`.
    pub metric_on_top: MetricOnTop,
    /// What is trained.
    pub network: NetworkSettings,
    /// The make-up of batches.
    pub sampler: SamplerSettings,
    /// Which triplets `sampler.kind = "triplets"` is given, and how often anew.
    pub mining: OfflineSettings,
    /// What is minimized: the weighted sum of these.
    #[serde(rename = "loss")]
    pub losses: Vec<LossTerm>,
    /// Past batches that the losses look at beside the present one.
    pub memory: MemorySettings,
    /// How gradients change weights.
    pub optimizer: OptimizerSettings,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// When to end before the last epoch.
    pub early_stopping: EarlyStopping,
    /// What to do when the run goes wrong.
    pub watchdog: WatchdogSettings,
    /// Random changes to pictures.
    pub augment: Augment,
    /// Epochs over which the changes grow from nothing to their full strength; 0 begins with full strength.
    pub augment_ramp: u64,
}

/// What is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// As [`crate::network::by_name`] knows it.
    pub name: String,
    /// Height and width of the picture.
    pub input: [usize; 2],
    /// Components of an embedding.
    pub embedding: usize,
}

/// Why a recipe cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file is not there or not readable.
    #[error("{}: the recipe cannot be read; give a file, or one of {}", path.display(), Recipe::names().collect::<Vec<_>>().join(", "))]
    Io {
        /// The recipe.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No TOML, an unknown key, or a value of the wrong kind; the message names line and key.
    #[error("{}: not a recipe: {source}", path.display())]
    Syntax {
        /// The recipe.
        path: PathBuf,
        /// What the parser says.
        source: Box<toml::de::Error>,
    },
    /// A number outside of what makes sense.
    #[error("recipe: {key} = {value}: give {expected}")]
    Value {
        /// Dotted key.
        key: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A setting of a loss.
    #[error("recipe: loss[{index}] ({kind}): {source}")]
    Loss {
        /// Which loss, from 0.
        index: usize,
        /// Its kind.
        kind: &'static str,
        /// What is wrong.
        source: LossError,
    },
    /// Two distillations.
    #[error("recipe: two losses are distillations, but a run has one teacher; leave one out")]
    TwoTeachers,
    /// A memory that nobody reads.
    #[error(
        "recipe: memory.size is above 0, but no loss looks at past batches; set it to 0, or add a [[loss]] that does, such as \
         kind = \"triplet\" with mining = \"batch_hard\""
    )]
    NothingRemembers,
    /// Nothing is minimized.
    #[error("recipe: nothing is minimized; give at least one [[loss]] with a weight above 0")]
    NoLoss,
    /// A loss that compares pictures of one identity, with batches that have one of each.
    #[error(
        "recipe: loss[{index}] ({kind}) compares pictures of one identity, but sampler.pictures = 1: set sampler.pictures to \
         at least 2, or keep to losses such as cross_entropy"
    )]
    NoPositives {
        /// Which loss, from 0.
        index: usize,
        /// Its kind.
        kind: &'static str,
    },
    /// Mined triplets are learned from, but none are in the batches.
    #[error(
        "recipe: loss[{index}] (triplet) has mining = offline, but batches bring mined triplets only with sampler.kind = \
         triplets: set that, or another mining such as batch_hard"
    )]
    NoTriplets {
        /// Which loss, from 0.
        index: usize,
    },
    /// A setting of offline mining.
    #[error("recipe: {0}")]
    Mining(#[from] MiningError),
    /// A setting of the augmentation.
    #[error("recipe: {0}")]
    Augment(#[from] AugmentError),
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 40,
            seed: 1,
            validation: 0.1,
            validate_every: 5,
            average: 0.0,
            metric_on_top: MetricOnTop::None,
            network: NetworkSettings::default(),
            sampler: SamplerSettings::default(),
            mining: OfflineSettings::default(),
            losses: LossTerm::defaults(),
            memory: MemorySettings::default(),
            optimizer: OptimizerSettings::default(),
            schedule: Schedule::default(),
            early_stopping: EarlyStopping::default(),
            watchdog: WatchdogSettings::default(),
            augment: Augment::default(),
            augment_ramp: 0,
        }
    }
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { name: "mobilenet_v2_0.35".into(), input: [128, 64], embedding: 128 }
    }
}

/// The recipes that are shipped, by name.
const SHIPPED: [(&str, &str); 3] = [
    ("default", include_str!("recipes/default.toml")),
    ("few_pictures", include_str!("recipes/few_pictures.toml")),
    ("baseline", include_str!("recipes/baseline.toml")),
];

impl Recipe {
    /// The names that [`Recipe::read`] knows besides paths.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// What the shipped recipe `name` is for: the comment at the head of its file.
    pub fn purpose(name: &str) -> Option<String> {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        let lines = text.lines().map_while(|line| line.strip_prefix("# "));
        Some(lines.collect::<Vec<_>>().join(" "))
    }

    /// The shipped recipe that suits a data set: with three pictures of an identity or fewer, `few_pictures`.
    ///
    /// # Errors
    /// None: the shipped recipes are tested.
    pub fn for_data(data: &Dataset) -> Result<Self, RecipeError> {
        let few = data.train.len() <= 3 * data.train_identities();
        Self::read(Path::new(if few { "few_pictures" } else { "default" }))
    }

    /// Reads and checks a TOML file, or the shipped recipe of that name.
    ///
    /// # Errors
    /// [`RecipeError`]; an unknown key is an error that names it.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let shipped = SHIPPED.iter().find(|(name, _)| Path::new(name) == path);
        let text = match shipped {
            Some((_, text)) => (*text).to_owned(),
            None => {
                std::fs::read_to_string(path).map_err(|source| RecipeError::Io { path: path.to_owned(), source })?
            }
        };
        let recipe: Self = toml::from_str(&text)
            .map_err(|source| RecipeError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        recipe.check()?;
        Ok(recipe)
    }

    /// Checks every number; the network's name is checked where the network is built.
    ///
    /// # Errors
    /// [`RecipeError::Value`] or [`RecipeError::Augment`] for the first that makes no sense.
    pub fn check(&self) -> Result<(), RecipeError> {
        let within = |key, value: f32, low: f32, high: f32, expected| {
            let error = || RecipeError::Value { key, value: value.to_string(), expected };
            (low..=high).contains(&value).then_some(()).ok_or_else(error)
        };
        let from = |key, value: u64, least: u64, expected| {
            let error = || RecipeError::Value { key, value: value.to_string(), expected };
            (value >= least).then_some(()).ok_or_else(error)
        };
        let optimizer = &self.optimizer;
        from("epochs", self.epochs, 1, "at least 1")?;
        from("validate_every", self.validate_every, 1, "at least 1")?;
        within("validation", self.validation, 0.0, 0.5, "a fraction from 0 to 0.5")?;
        within("average", self.average, 0.0, 0.99999, "a decay from 0 (off) to 0.99999")?;
        within("network.embedding", self.network.embedding as f32, 1.0, 4096.0, "1 to 4096 components")?;
        within("network.input", self.network.input[0] as f32, 8.0, 1024.0, "a height of 8 to 1024")?;
        within("network.input", self.network.input[1] as f32, 8.0, 1024.0, "a width of 8 to 1024")?;
        from("sampler.identities", self.sampler.identities as u64, 2, "at least 2 identities in a batch")?;
        from("sampler.pictures", self.sampler.pictures as u64, 1, "at least 1 picture of each identity")?;
        from("sampler.refresh_every", self.sampler.refresh_every, 1, "at least 1 epoch")?;
        self.mining.check()?;
        self.check_losses()?;
        within("memory.size", self.memory.size as f32, 0.0, 1e6, "a number of embeddings from 0 (off) to a million")?;
        within("memory.start", self.memory.start, 0.0, 1e6, "a number of epochs from 0")?;
        if self.early_stopping.is_on() && self.validation <= 0.0 {
            let expected = "0, or a validation above 0: without held-out identities nobody knows when to stop";
            let value = self.early_stopping.patience.to_string();
            return Err(RecipeError::Value { key: "early_stopping.patience", value, expected });
        }
        within("optimizer.learning_rate", optimizer.learning_rate, 1e-12, 1e3, "a number above 0")?;
        within("optimizer.weight_decay", optimizer.weight_decay, 0.0, 1e3, "a number from 0")?;
        within("optimizer.momentum", optimizer.momentum, 0.0, 0.99999, "a fraction from 0 to 0.99999")?;
        within("optimizer.second_momentum", optimizer.second_momentum, 0.0, 0.99999, "a fraction from 0 to 0.99999")?;
        within("schedule.warm_up", self.schedule.warm_up, 0.0, 1e6, "a number of epochs from 0")?;
        within("schedule.floor", self.schedule.floor, 0.0, 1.0, "a fraction from 0 to 1")?;
        Ok(self.augment.check()?)
    }

    /// Trains on mined triplets: batches are made of them, and the first triplet loss (or a new one) learns from them.
    pub fn learn_from_triplets(&mut self) {
        self.sampler.kind = SamplerKind::Triplets;
        let triplet = self.losses.iter_mut().find_map(|term| match term {
            LossTerm::Triplet(settings) => Some(settings),
            _ => None,
        });
        match triplet {
            Some(settings) => settings.mining = Mining::Offline,
            None => {
                let settings = TripletSettings { mining: Mining::Offline, ..TripletSettings::default() };
                self.losses.insert(0, LossTerm::Triplet(settings));
            }
        }
    }

    fn check_losses(&self) -> Result<(), RecipeError> {
        for (index, term) in self.losses.iter().enumerate() {
            let kind = term.kind();
            term.check().map_err(|source| RecipeError::Loss { index, kind, source })?;
            if matches!(term, LossTerm::Triplet(settings) if settings.mining == Mining::Offline)
                && self.sampler.kind != SamplerKind::Triplets
            {
                return Err(RecipeError::NoTriplets { index });
            }
            let repeats = matches!(self.sampler.kind, SamplerKind::Pk | SamplerKind::HardClass);
            if repeats && self.sampler.pictures < 2 && term.loss().needs_positives() {
                return Err(RecipeError::NoPositives { index, kind });
            }
        }
        if self.losses.iter().filter(|term| term.distillation().is_some()).count() > 1 {
            return Err(RecipeError::TwoTeachers);
        }
        if self.memory.size > 0 && !self.losses.iter().any(|term| term.loss().remembers()) {
            return Err(RecipeError::NothingRemembers);
        }
        let something = self.losses.iter().any(|term| term.loss().weight() > 0.0);
        something.then_some(()).ok_or(RecipeError::NoLoss)
    }

    /// Dotted keys in which `other` differs, each with both values: `loss[0].margin: 0.3 → 0.5`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let json = |recipe: &Self| serde_json::to_value(recipe).unwrap_or_default();
        let mut found = Vec::new();
        compare("", &json(self), &json(other), &mut found);
        found
    }
}

fn compare(key: &str, a: &serde_json::Value, b: &serde_json::Value, found: &mut Vec<String>) {
    if let (Some(fields), Some(others)) = (a.as_object(), b.as_object()) {
        for (name, a) in fields {
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            compare(&key, a, others.get(name).unwrap_or_default(), found);
        }
    } else if let Some((losses, others)) = tables(a).zip(tables(b)).filter(|(a, b)| a.len() == b.len()) {
        for (index, (a, b)) in losses.iter().zip(others).enumerate() {
            compare(&format!("{key}[{index}]"), a, b, found);
        }
    } else if a != b {
        found.push(format!("{key}: {a} → {b}"));
    }
}

/// The tables of an array that holds nothing else.
fn tables(value: &serde_json::Value) -> Option<&Vec<serde_json::Value>> {
    value.as_array().filter(|values| values.iter().all(serde_json::Value::is_object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::cross_entropy::CrossEntropySettings;

    fn read(text: &str) -> Result<Recipe, RecipeError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, text).unwrap();
        Recipe::read(&path)
    }

    #[test]
    fn an_empty_file_is_the_default_and_every_recipe_survives_toml() {
        assert_eq!(read("").unwrap(), Recipe::default());
        let text = "epochs = 3\n[[loss]]\nkind = \"triplet\"\nsoft_margin = true\n[optimizer]\nkind = \"sgd\"\n";
        let recipe = read(text).unwrap();
        assert_eq!((recipe.epochs, recipe.losses.len()), (3, 1));
        assert!(matches!(&recipe.losses[0], LossTerm::Triplet(settings) if settings.soft_margin));
        assert_eq!(read(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
    }

    #[test]
    fn every_shipped_recipe_can_be_read_and_says_what_it_is_for() {
        for name in Recipe::names() {
            Recipe::read(Path::new(name)).unwrap();
            assert!(Recipe::purpose(name).is_some_and(|text| text.ends_with('.')), "{name}");
        }
        assert_eq!(Recipe::purpose("none"), None);
    }

    #[test]
    fn unknown_keys_are_named() {
        for text in ["epoch = 3", "[sampler]\nidentites = 4", "[augment]\nflipp = 1", "[watchdog]\non_colapse = 1"] {
            let key = text.split(['\n', ' ']).find(|word| word.chars().all(|c| c.is_alphabetic() || c == '_')).unwrap();
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(key) && message.contains("recipe.toml"), "{message}");
        }
    }

    #[test]
    fn differences_are_named_with_both_values() {
        let (a, mut b) = (Recipe::default(), Recipe::default());
        assert!(a.differences(&b).is_empty());
        b.epochs = 41;
        b.losses[1] = LossTerm::CrossEntropy(CrossEntropySettings { label_smoothing: 0.25, weight: 1.0 });
        assert_eq!(a.differences(&b).len(), 2);
        assert_eq!(a.differences(&b)[0], "epochs: 40 → 41");
        assert!(a.differences(&b)[1].starts_with("loss[1].label_smoothing: 0.1"));
    }

    #[test]
    fn senseless_losses_are_named() {
        let table = |kind: &str, rest: &str| format!("[[loss]]\nkind = \"{kind}\"\n{rest}\n");
        for (text, parts) in [
            (table("triplet", "margin = -1"), ["loss[0] (triplet)", "margin = -1"]),
            (table("triplet", "") + &table("triplet", "margin = nan"), ["loss[1] (triplet)", "margin = NaN"]),
            (table("triplet", "margni = 0.3"), ["recipe.toml", "`margni`"]),
            (table("cross_entropy", "weight = -0.5"), ["loss[0] (cross_entropy)", "weight = -0.5"]),
            (table("cross_entropy", "label_smoothing = 1"), ["loss[0] (cross_entropy)", "label_smoothing = 1"]),
            (table("cross_entropy", "margin = 1"), ["recipe.toml", "`margin`"]),
            (table("crossentropy", ""), ["`crossentropy`", "`cross_entropy`"]),
            (table("triplet", "weight = 0"), ["nothing is minimized", "weight above 0"]),
            ("loss = []".into(), ["nothing is minimized", "[[loss]]"]),
            (table("distillation", ""), ["loss[0] (distillation)", "no teacher"]),
            (table("distillation", "teacher = \"a\"\ncosine = 0\nsimilarity = 0"), ["nothing is distilled", "angle"]),
            (table("distillation", "teacher = \"a\"").repeat(2), ["two losses", "one teacher"]),
            (table("center", "[memory]\nsize = 9"), ["memory.size", "batch_hard"]),
            (table("triplet", "[memory]\nstart = -1"), ["memory.start", "epochs"]),
            (table("arc_face", "margin = 2"), ["loss[0] (arc_face)", "margin = 2"]),
            (table("cos_face", "scale = 0"), ["loss[0] (cos_face)", "scale = 0"]),
            (table("center", "rate = 2"), ["loss[0] (center)", "rate = 2"]),
            (table("triplet", "[sampler]\npictures = 1"), ["loss[0] (triplet)", "sampler.pictures = 1"]),
        ] {
            let message = read(&text).unwrap_err().to_string();
            assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        }
        let alone = table("cross_entropy", "[sampler]\npictures = 1");
        assert_eq!(read(&alone).unwrap().losses.len(), 1, "an ID loss needs no positives");
    }

    #[test]
    fn senseless_numbers_are_named() {
        for (text, key) in [
            ("epochs = 0", "epochs"),
            ("[sampler]\npictures = 0", "sampler.pictures"),
            ("[optimizer]\nlearning_rate = 0", "optimizer.learning_rate"),
            ("[augment]\nflip = 2", "augment.flip"),
            ("validation = 0\n[early_stopping]\npatience = 3", "early_stopping.patience"),
            ("[watchdog]\non_collapse = \"panic\"", "on_collapse"),
        ] {
            assert!(read(text).unwrap_err().to_string().contains(key), "{text}");
        }
        assert!(matches!(Recipe::read(Path::new("/no/such/file")), Err(RecipeError::Io { .. })));
    }
}
