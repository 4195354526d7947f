//! From a checkpoint and a data set to a triplet file.

use super::{Checkpoint, TrainingError, atomic, fingerprint};
use crate::dataset::{self, Dataset, Identity, PictureList, Sample};
use crate::evaluation::EmbeddingModel;
use crate::mining::triplet_file::{Header, NamedTriplet};
use crate::mining::{self, MiningError, OfflineSettings, TripletFile, TripletFileError};
use crate::network::FloatModel;
use crate::progress::Progress;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::path::Path;

/// What to mine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MineRequest {
    /// Which triplets.
    pub settings: OfflineSettings,
    /// Of every draw.
    pub seed: u64,
    /// At least so many pictures are embedded, all those of as many identities drawn at random as it takes; 0 embeds all.
    pub pictures: usize,
    /// Threads; 0 takes one a core.
    pub threads: usize,
}

/// Freezes the checkpoint's network, embeds the training pictures of `data` and mines them.
///
/// On the data set that the checkpoint was trained on, the identities it holds out stay out.
///
/// # Errors
/// What reading pictures reports, a data set without two identities of two pictures, and [`MiningError`].
pub fn mine(
    checkpoint: &Checkpoint,
    data: &Dataset,
    request: &MineRequest,
    progress: &dyn Progress,
) -> Result<TripletFile, TrainingError> {
    request.settings.check()?;
    data.check_trainable()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let graph = checkpoint.model();
    let origin = Origin {
        checkpoint: fingerprint(&graph),
        epoch: checkpoint.state.epoch,
        dataset: &data.name,
        list: &PictureList::new(&data.train, &data.identities),
    };
    let listed = chosen_pictures(checkpoint, data, request);
    let samples: Vec<Sample> = listed.iter().map(|&index| data.train[index].clone()).collect();
    let mut model = FloatModel::new(graph, if request.threads == 0 { cores } else { request.threads });
    let images = dataset::load(&samples, model.input(), progress)?;
    // Embedding fails only when it is interrupted: the pictures have the network's size.
    let embeddings = model.embed(&images.pixels, progress).map_err(|_| MiningError::Interrupted)?;
    let identities: Vec<u32> =
        images.identities.iter().map(|identity| identity.known().map_or(u32::MAX, |index| index as u32)).collect();
    let pictures: Vec<usize> = images.kept.iter().map(|&kept| listed[kept]).collect();
    let set =
        Set { embeddings: &embeddings, dimension: model.dimension(), identities: &identities, pictures: &pictures };
    origin.mine(&set, &request.settings, request.seed, progress)
}

/// Writes a triplet file, whole or not at all.
///
/// # Errors
/// [`TripletFileError::Io`].
pub fn save_triplets(path: &Path, file: &TripletFile) -> Result<(), TripletFileError> {
    let written = file.to_bytes().map_err(std::io::Error::from).and_then(|bytes| atomic::write(path, &bytes));
    written.map_err(|source| TripletFileError::Io { path: path.to_owned(), source })
}

/// Indices of the training pictures to embed, in ascending order.
fn chosen_pictures(checkpoint: &Checkpoint, data: &Dataset, request: &MineRequest) -> Vec<usize> {
    let same_data = checkpoint.state.dataset == data.name;
    let held_out = |identity: usize| same_data && checkpoint.state.held_out.contains(&data.identities[identity]);
    let mut by_identity: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, sample) in data.train.iter().enumerate() {
        if let Identity::Known(identity) = sample.identity {
            by_identity.entry(identity).or_default().push(index);
        }
    }
    let mut identities: Vec<Vec<usize>> =
        by_identity.into_iter().filter(|(identity, _)| !held_out(*identity)).map(|(_, pictures)| pictures).collect();
    if request.pictures > 0 {
        identities.shuffle(&mut ChaCha8Rng::seed_from_u64(request.seed));
    }
    let mut pictures = Vec::new();
    for identity in identities {
        if request.pictures == 0 || pictures.len() < request.pictures {
            pictures.extend(identity);
        }
    }
    pictures.sort_unstable();
    pictures
}

/// An embedded set.
pub(super) struct Set<'a> {
    /// `[N, dimension]`, L2-normalized.
    pub embeddings: &'a [f32],
    /// Components of an embedding.
    pub dimension: usize,
    /// `[N]`
    pub identities: &'a [u32],
    /// Where each stands in the list of the data set, `[N]`.
    pub pictures: &'a [usize],
}

/// Where triplets come from.
pub(super) struct Origin<'a> {
    /// Fingerprint of the weights.
    pub checkpoint: String,
    /// Epochs that they were trained.
    pub epoch: u64,
    /// Name of the data set.
    pub dataset: &'a str,
    /// All its training pictures.
    pub list: &'a PictureList,
}

impl Origin<'_> {
    /// Mines an embedded set into a file that says where its triplets come from.
    pub fn mine(
        self,
        set: &Set<'_>,
        settings: &OfflineSettings,
        seed: u64,
        progress: &dyn Progress,
    ) -> Result<TripletFile, TrainingError> {
        let mined = mining::mine(set.embeddings, set.dimension, set.identities, settings, seed, progress)?;
        let header = Header {
            format: TripletFile::FORMAT.into(),
            version: TripletFile::VERSION,
            checkpoint: self.checkpoint,
            epoch: self.epoch,
            dataset: self.dataset.into(),
            pictures: self.list.fingerprint.clone(),
            embedded: set.identities.len(),
            seed,
            settings: *settings,
            examined: mined.examined,
            chosen: mined.chosen,
        };
        let name = |row: usize| self.list.names[set.pictures[row]].clone();
        let named = |(class, triplet): (_, mining::Triplet)| NamedTriplet {
            class,
            anchor: name(triplet.anchor),
            positive: name(triplet.positive),
            negative: name(triplet.negative),
        };
        Ok(TripletFile { header, triplets: mined.triplets.into_iter().map(named).collect() })
    }
}
