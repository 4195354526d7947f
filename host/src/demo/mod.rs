//! The whole loop as one call: train → evaluate → quantize → evaluate → flash a camera → enroll → identify → report.
//!
//! [`people`] chooses who takes part, [`session`] lets them meet the camera, [`camera`] starts one, [`report`] shows what
//! came of it. Everything lies in one folder; what is there already and still fits is not done again.

pub mod camera;
mod error;
pub mod people;
pub mod report;
pub mod session;

pub use error::DemoError;

use std::path::{Path, PathBuf};

use crate::dataset::{self, Dataset, Images, Skipped};
use crate::device::Client;
use crate::evaluation::{EmbeddingModel, Embeddings, PairScores, Ranking, pair_scores, rank};
use crate::network::FloatModel;
use crate::progress::Progress;
use crate::quantize::{Int8Model, Policy, Request, Shipped, quantize_checkpoint};
use crate::training::{Checkpoint, LAST, MODEL, Options, Recipe, train};
use camera::{Board, Camera};
use deja_shared::protocol::messages::Capabilities;
use people::{Limits, Person};
use session::{Tally, Verdict, meet, tally};

/// File of the quantized model in the demonstration's folder.
pub const QUANTIZED: &str = "model.deja";
/// File of the report.
pub const REPORT: &str = "report.html";

/// What the demonstration does.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data set, as [`dataset::open`] takes it.
    pub data: PathBuf,
    /// How to train; `None` chooses by the data set.
    pub recipe: Option<Recipe>,
    /// Which camera.
    pub board: Board,
    /// Who takes part.
    pub limits: Limits,
    /// Folder of everything that is written.
    pub out: PathBuf,
}

/// How well one form of the network finds identities again.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The ranking.
    pub ranking: Ranking,
    /// Similarities of pairs of the same and of different identities.
    pub pairs: PairScores,
    /// The gallery's embeddings.
    pub gallery: Embeddings,
}

/// Everything that came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The data set.
    pub data: Dataset,
    /// The finished run.
    pub checkpoint: Checkpoint,
    /// Query pictures.
    pub query: Images,
    /// Gallery pictures.
    pub gallery: Images,
    /// The float network.
    pub float: Evaluated,
    /// The camera's network.
    pub int8: Evaluated,
    /// The model and its threshold.
    pub shipped: Shipped,
    /// What the camera says of itself, model included.
    pub camera: Capabilities,
    /// Who took part.
    pub people: Vec<Person>,
    /// What the camera said about them.
    pub verdicts: Vec<Verdict>,
    /// The count of it.
    pub tally: Tally,
    /// Pictures that could not be read.
    pub skipped: Vec<Skipped>,
    /// Where the report stands.
    pub report: PathBuf,
}

/// Runs the loop. `note` is told what begins.
///
/// # Errors
/// [`DemoError`]; what was finished before stays in the folder and is taken up again.
pub fn run(settings: &Settings, note: &dyn Fn(&str), progress: &dyn Progress) -> Result<Outcome, DemoError> {
    let data = dataset::open(&settings.data)?;
    data.check_evaluable()?;
    // A camera that cannot be started is better noticed before the training than after it.
    let camera = Camera::start(settings.board, &settings.out, note)?;
    let checkpoint = trained(settings, &data, note, progress)?;
    let size = checkpoint.state.recipe.network.input;
    let query = dataset::load(&data.query, size, progress)?;
    let gallery = dataset::load(&data.gallery, size, progress)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    note("evaluating the float network");
    let float = evaluate(&mut FloatModel::new(checkpoint.model(), cores), &query, &gallery, progress)?;
    note("quantizing");
    let people = people::choose(&query, &gallery, settings.limits);
    let known = people.iter().filter(|person| person.is_known()).count();
    let gallery_identities = Some(u16::try_from(known).unwrap_or(u16::MAX));
    let policy = Policy { templates: settings.limits.templates, gallery_identities, ..Policy::default() };
    let request = Request { policy, ..Request::default() };
    let shipped = quantize_checkpoint(&checkpoint, &data, &request, progress)?;
    let path = settings.out.join(QUANTIZED);
    std::fs::write(&path, &*shipped.quantized.bytes).map_err(|source| DemoError::Write { path, source })?;
    note("evaluating the int8 network with the camera's own code");
    let mut int8 = Int8Model::from_bytes(shipped.quantized.bytes.clone())?;
    let int8 = evaluate(&mut int8, &query, &gallery, progress)?;
    note("flashing the camera, enrolling and identifying");
    let mut client = Client::connect(camera.address())?;
    client.flash_model(&shipped.quantized.bytes, progress)?;
    let verdicts = meet(&mut client, &people, (&query, &gallery), &data.identities, progress)?;
    let camera = client.refresh()?.clone();
    let skipped = [&shipped.skipped, &query.skipped, &gallery.skipped].into_iter().flatten().cloned().collect();
    let report = settings.out.join(REPORT);
    let tally = tally(&people, &verdicts);
    let outcome = Outcome {
        data,
        checkpoint,
        query,
        gallery,
        float,
        int8,
        shipped,
        camera,
        people,
        verdicts,
        tally,
        skipped,
        report,
    };
    report::write(&outcome)?;
    Ok(outcome)
}

/// The finished run in the folder, after training what is left of it.
fn trained(
    settings: &Settings,
    data: &Dataset,
    note: &dyn Fn(&str),
    progress: &dyn Progress,
) -> Result<Checkpoint, DemoError> {
    let recipe = match &settings.recipe {
        Some(recipe) => recipe.clone(),
        None => Recipe::for_data(data)?,
    };
    let run = settings.out.join("run");
    let finished = run.join(MODEL);
    if finished.exists() {
        let checkpoint = Checkpoint::load(&finished)?;
        if checkpoint.state.recipe != recipe || checkpoint.state.dataset != data.name {
            return Err(DemoError::OtherRun { folder: settings.out.clone() });
        }
        note("the network in this folder is trained already");
        return Ok(checkpoint);
    }
    let resume = run.join(LAST).exists();
    note(if resume { "going on with the training" } else { "training" });
    train(data, &recipe, &run, Options { resume, ..Options::default() }, progress)?;
    Ok(Checkpoint::load(&finished)?)
}

fn evaluate(
    model: &mut dyn EmbeddingModel,
    query: &Images,
    gallery: &Images,
    progress: &dyn Progress,
) -> Result<Evaluated, DemoError> {
    let query = Embeddings::of(model, query, progress)?;
    let gallery = Embeddings::of(model, gallery, progress)?;
    Ok(Evaluated { ranking: rank(&query, &gallery)?, pairs: pair_scores(&query, &gallery)?, gallery })
}

/// The folder of a demonstration is created before anything is done.
///
/// # Errors
/// What the file system says, with the folder's name.
pub fn create_folder(folder: &Path) -> Result<(), DemoError> {
    std::fs::create_dir_all(folder).map_err(|source| DemoError::Write { path: folder.to_owned(), source })
}
