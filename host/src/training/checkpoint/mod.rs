//! A run on disk: a safetensors file with the network and, while training, everything to go on exactly where it stopped.
//!
//! Tensors, all little-endian f32: `network/<parameter>`; for resuming also `step`, `loss/<n>` (what the recipe's
//! n-th loss learns for itself, such as a classifier), `first/<n>` and `second/<n>` (the optimizer's moments, n counting the
//! network's parameters and then the losses), `average/<parameter>`, `memory/…` (embeddings of past batches and whose they
//! are) and, with a sampler that is guided by them, `classes` (embeddings of some pictures of each class). The header's
//! metadata has one entry, [`Checkpoint::KEY`], whose JSON is the [`RunState`] with the format's version.

use super::average::Average;
use super::optimizer::Optimizer;
use super::recipe::RecipeError;
use super::{atomic, objective, tensors};
use crate::loss::{Batch, Learned, Sizes};
use crate::mining::Memory;
use crate::network::{Graph, NetworkError, by_name};
use crate::sampler::ClassEmbeddings;
use std::path::{Path, PathBuf};
use tensors::{Reader, Writer};

mod state;

pub use state::{RunState, TripletsInForce};

/// A network, where it comes from, and, while it is being trained, the rest of its training.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The network.
    pub graph: Graph,
    /// Where it comes from and how far it is.
    pub state: RunState,
    /// What only training needs; a finished model has none.
    pub learner: Option<Learner>,
}

/// What only training needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Learner {
    /// What each loss of the recipe learns for itself.
    pub learned: Vec<Learned>,
    /// With the moments of the network's parameters and, last, of what the losses learn.
    pub optimizer: Optimizer,
    /// Running average of the network, where the recipe wants one.
    pub average: Option<Average>,
    /// Embeddings of past batches, where the recipe wants them.
    pub memory: Option<Memory>,
    /// Embeddings of the classes as of the last refresh, where the sampler is guided by them.
    pub classes: Option<ClassEmbeddings>,
}

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file is not there, or may not be read.
    #[error("{}: the checkpoint cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The disk is full, the folder is gone, …
    #[error(
        "{}: the checkpoint cannot be written; the older one is kept: make room (or give the folder back) and go on with \
         --resume",
        path.display()
    )]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Truncated, or no safetensors file.
    #[error("{}: not a whole safetensors file ({reason}); it may be truncated: copy it again or train anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// A safetensors file of some other program.
    #[error("{}: a safetensors file, but no checkpoint of deja; `deja train` writes those", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Of another version.
    #[error(
        "{}: checkpoint of version {found}, but this deja reads version {}; train anew or use the deja that wrote it",
        path.display(),
        Checkpoint::VERSION
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// Its recipe makes no sense.
    #[error("{}: the recipe inside makes no sense; the file is damaged", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: RecipeError,
    },
    /// Its network is not known here.
    #[error("{}: its network is unknown here", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// Which one it is.
        source: NetworkError,
    },
    /// An array is missing or of the wrong shape or kind.
    #[error("{}: the array `{tensor}` {problem}; the file does not fit its own network", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The array.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// NaN or infinity.
    #[error("{}: the array `{tensor}` holds NaN or infinity; take an earlier checkpoint", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The array.
        tensor: String,
    },
    /// A finished model, asked to go on training.
    #[error("{}: a finished model without its training state; resume from last.safetensors of the run", path.display())]
    NotResumable {
        /// The file.
        path: PathBuf,
    },
}

impl Checkpoint {
    /// Of the format.
    pub const VERSION: u32 = 2;
    /// The entry of the header's metadata that makes a safetensors file a checkpoint.
    pub const KEY: &'static str = "deja-checkpoint";

    /// Writes the file whole or not at all: the older one stays until the newer is on the disk.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]; [`CheckpointError::NotFinite`] when a value is NaN or infinite, before anything is written.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        write(path, &self.graph, &self.state, self.learner.as_ref())
    }

    /// Reads a checkpoint or a finished model.
    ///
    /// # Errors
    /// [`CheckpointError`] for a file that is missing, truncated, foreign, of another version, or not finite.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = std::fs::read(path).map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
        let reader = Reader::new(path, &bytes)?;
        let state = read_state(path, &reader)?;
        let network = &state.recipe.network;
        let mut graph = by_name(&network.name, network.input, network.embedding, state.recipe.seed)
            .map_err(|source| CheckpointError::Network { path: path.to_owned(), source })?;
        for parameter in &mut graph.parameters {
            parameter.values = reader.read(&format!("network/{}", parameter.name), &parameter.shape)?;
        }
        let learner = if reader.has("step") { Some(Learner::read(&state, &graph, &reader)?) } else { None };
        Ok(Self { graph, state, learner })
    }

    /// The network to use: with averaged weights where the run keeps an average.
    pub fn model(&self) -> Graph {
        match self.learner.as_ref().and_then(|learner| learner.average.as_ref()) {
            Some(average) => average.apply(&self.graph),
            None => self.graph.clone(),
        }
    }
}

/// [`Checkpoint::save`] of borrowed parts.
pub(super) fn write(
    path: &Path,
    graph: &Graph,
    state: &RunState,
    learner: Option<&Learner>,
) -> Result<(), CheckpointError> {
    let mut writer = Writer::default();
    for parameter in &graph.parameters {
        writer.add(format!("network/{}", parameter.name), &parameter.shape, &parameter.values);
    }
    if let Some(learner) = learner {
        learner.write(graph, &mut writer);
    }
    if let Some(tensor) = writer.first_not_finite() {
        return Err(CheckpointError::NotFinite { path: path.to_owned(), tensor });
    }
    let io = |source| CheckpointError::NotWritten { path: path.to_owned(), source };
    let state = serde_json::to_string(state).map_err(|error| io(error.into()))?;
    let bytes = writer.finish(Checkpoint::KEY, state).map_err(|error| io(std::io::Error::other(error)))?;
    atomic::write(path, &bytes).map_err(io)
}

impl Learner {
    /// Untrained, for `graph` in the run of `state`.
    pub fn new(state: &RunState, graph: &Graph) -> Self {
        let recipe = &state.recipe;
        let sizes = Sizes { dimension: graph.dimension(), identities: state.identities.len(), teacher: state.teacher };
        let learned = objective::untrained(&recipe.losses, sizes, recipe.seed);
        let optimizer = Optimizer::new(recipe.optimizer, &lengths(graph, &learned));
        let average = (recipe.average > 0.0).then(|| Average::new(recipe.average, graph));
        let memory = (recipe.memory.size > 0).then(|| Memory::new(recipe.memory.size, graph.dimension()));
        Self { learned, optimizer, average, memory, classes: None }
    }

    fn write(&self, graph: &Graph, writer: &mut Writer) {
        for (index, learned) in self.learned.iter().enumerate().filter(|(_, learned)| !learned.values().is_empty()) {
            writer.add(format!("loss/{index}"), &learned.shape(), learned.values());
        }
        for (name, moments) in [("first", &self.optimizer.first), ("second", &self.optimizer.second)] {
            for (index, values) in moments.iter().enumerate().filter(|(_, values)| !values.is_empty()) {
                writer.add(format!("{name}/{index}"), &[values.len()], values);
            }
        }
        writer.add_counter("step", self.optimizer.step);
        if let Some(average) = &self.average {
            for (parameter, values) in graph.parameters.iter().zip(&average.values) {
                writer.add(format!("average/{}", parameter.name), &parameter.shape, values);
            }
            writer.add_counter("average_updates", average.updates);
        }
        if let Some(memory) = &self.memory {
            write_memory(memory, writer);
        }
        if let Some(classes) = &self.classes {
            writer.add("classes".into(), &[classes.count(), classes.views, classes.dimension], &classes.values);
        }
    }

    fn read(state: &RunState, graph: &Graph, reader: &Reader<'_>) -> Result<Self, CheckpointError> {
        let mut learner = Self::new(state, graph);
        for (index, learned) in learner.learned.iter_mut().enumerate().filter(|(_, l)| !l.values().is_empty()) {
            let values = reader.read(&format!("loss/{index}"), &learned.shape())?;
            learned.values_mut().copy_from_slice(&values);
        }
        let optimizer = &mut learner.optimizer;
        for (name, moments) in [("first", &mut optimizer.first), ("second", &mut optimizer.second)] {
            for (index, values) in moments.iter_mut().enumerate().filter(|(_, values)| !values.is_empty()) {
                *values = reader.read(&format!("{name}/{index}"), &[values.len()])?;
            }
        }
        optimizer.step = reader.read_counter("step")?;
        if let Some(average) = &mut learner.average {
            for (parameter, values) in graph.parameters.iter().zip(&mut average.values) {
                *values = reader.read(&format!("average/{}", parameter.name), &parameter.shape)?;
            }
            average.updates = reader.read_counter("average_updates")?;
        }
        if learner.memory.is_some() {
            learner.memory = Some(read_memory(state.recipe.memory.size, graph.dimension(), reader)?);
        }
        if reader.has("classes") {
            let (views, dimension) = (state.recipe.sampler.views(), graph.dimension());
            let values = reader.read("classes", &[state.identities.len(), views, dimension])?;
            learner.classes = Some(ClassEmbeddings { views, dimension, values });
        }
        Ok(learner)
    }
}

fn write_memory(memory: &Memory, writer: &mut Writer) {
    let Batch { embeddings, dimension, identities } = memory.past();
    writer.add_counter("memory/next", memory.next() as u64);
    writer.add_counter("memory/count", identities.len() as u64);
    writer.add("memory/embeddings".into(), &[identities.len(), dimension], embeddings);
    writer.add_integers("memory/identities", identities);
}

fn read_memory(size: usize, dimension: usize, reader: &Reader<'_>) -> Result<Memory, CheckpointError> {
    let count = reader.read_counter("memory/count")? as usize;
    let embeddings = reader.read("memory/embeddings", &[count, dimension])?;
    let identities = reader.read_integers("memory/identities", count)?;
    let past = Batch { embeddings: &embeddings, dimension, identities: &identities };
    let restored = Memory::restored(size, &past, reader.read_counter("memory/next")? as usize);
    restored.ok_or_else(|| {
        reader.unfit("memory/embeddings", format!("has {count} rows, which do not fit memory.size = {size}"))
    })
}

/// Lengths of what the optimizer changes: the network's parameters (0 for running statistics), then what the losses learn.
fn lengths(graph: &Graph, learned: &[Learned]) -> Vec<usize> {
    let trained = |role| role != crate::network::Role::Statistic;
    let network = graph.parameters.iter().map(|p| if trained(p.role) { p.values.len() } else { 0 });
    network.chain(learned.iter().map(Learned::trained)).collect()
}

fn read_state(path: &Path, reader: &Reader<'_>) -> Result<RunState, CheckpointError> {
    let path = || path.to_owned();
    let text = reader.metadata(Checkpoint::KEY).ok_or_else(|| CheckpointError::Foreign { path: path() })?;
    let malformed = |error: serde_json::Error| CheckpointError::Malformed { path: path(), reason: error.to_string() };
    let value: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
    let found = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if found != u64::from(Checkpoint::VERSION) {
        return Err(CheckpointError::Version { path: path(), found });
    }
    let state: RunState = serde_json::from_str(text).map_err(malformed)?;
    state.recipe.check().map_err(|source| CheckpointError::Recipe { path: path(), source })?;
    Ok(state)
}

#[cfg(test)]
mod tests;
