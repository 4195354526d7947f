//! A picture and a model → an embedding: the pixel table, then layer after layer over the arena.

use deja_shared::embedding::{Embedding, MAX_DIMENSION};
use deja_shared::model::{Layer, Model};
use deja_shared::tensor::{View, ViewMut};

use crate::kernels::{self, Operands};

/// What the last layer writes, before its length is dropped: one value of 16 bits a component.
pub type Raw = heapless::Vec<i16, MAX_DIMENSION>;

/// Activation memory of a board, on the boundary that every model's arena plan assumes.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Arena<const BYTES: usize>(pub [i8; BYTES]);

/// Is told of every run of a kernel, to time it; `()` takes no notice.
pub trait Meter {
    /// A kernel is about to run.
    fn start(&mut self);
    /// It has run, for layer number `layer` or a part of it: a layer that is computed in bands comes several times.
    fn stop(&mut self, layer: u16);
}

impl Meter for () {
    fn start(&mut self) {}
    fn stop(&mut self, _: u16) {}
}

/// Why a picture has no embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedError {
    /// The picture does not have the model's input size.
    Picture {
        /// Bytes that the model expects: height × width × 3.
        expected: u64,
        /// Bytes that were given.
        found: usize,
    },
    /// The model needs more activation memory.
    Arena {
        /// Bytes that the model needs.
        needed: u32,
        /// Bytes that there are.
        found: usize,
    },
    /// Every component came out as zero: the picture shows nothing that the network knows.
    Blank,
}

impl core::fmt::Display for EmbedError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Picture { expected, found } => {
                write!(f, "the picture has {found} bytes, but the model takes {expected}: scale it to the input size")
            }
            Self::Arena { needed, found } => {
                write!(
                    f,
                    "the model needs {needed} bytes of activation memory, and there are {found}: use a smaller model"
                )
            }
            Self::Blank => f.write_str("the network sees nothing in this picture: take another"),
        }
    }
}

impl core::error::Error for EmbedError {}

/// Why a model does not compute what its host computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoldenError {
    /// A golden picture has no embedding.
    Embed {
        /// Number of its pair.
        pair: u16,
        /// Why.
        error: EmbedError,
    },
    /// The golden pair of this number gives another embedding.
    Differs {
        /// Its number.
        pair: u16,
    },
}

impl core::fmt::Display for GoldenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Embed { pair, error } => write!(f, "golden picture {pair} cannot be embedded: {error}"),
            Self::Differs { pair } => {
                write!(f, "golden pair {pair} gives another embedding: model and firmware do not fit together")
            }
        }
    }
}

impl core::error::Error for GoldenError {}

/// The embedding of a picture of the model's input size.
///
/// # Shapes
/// `picture` height × width × 3 (RGB); `arena` at least `model.header().arena_bytes`, contents of no matter.
///
/// # Errors
/// All of [`EmbedError`].
pub fn embed(model: &Model<'_>, picture: &[u8], arena: &mut [i8]) -> Result<Embedding, EmbedError> {
    embed_metered(model, picture, arena, &mut ())
}

/// The same, and `meter` is told of every kernel's run.
///
/// # Errors
/// All of [`EmbedError`].
pub fn embed_metered(
    model: &Model<'_>,
    picture: &[u8],
    arena: &mut [i8],
    meter: &mut impl Meter,
) -> Result<Embedding, EmbedError> {
    let raw = walk(model, picture, arena, (meter, |_, _| {}))?;
    // `Model::parse` admits only dimensions that an embedding can have, so this can fail on zeros alone.
    Embedding::from_raw(&raw).map_err(|_| EmbedError::Blank)
}

/// The raw embedding, with every activation on the way shown to `visit`: first the preprocessed picture as number 0,
/// then what layer `i` wrote as number `i + 1`. The last layer's result is what is returned.
///
/// # Errors
/// [`EmbedError::Picture`] and [`EmbedError::Arena`].
pub fn embed_layers(
    model: &Model<'_>,
    picture: &[u8],
    arena: &mut [i8],
    visit: impl FnMut(u16, View<'_>),
) -> Result<Raw, EmbedError> {
    walk(model, picture, arena, (&mut (), visit))
}

/// The pixel table, then layer after layer.
fn walk(
    model: &Model<'_>,
    picture: &[u8],
    arena: &mut [i8],
    (meter, mut visit): (&mut impl Meter, impl FnMut(u16, View<'_>)),
) -> Result<Raw, EmbedError> {
    let header = model.header();
    if picture.len() as u64 != header.picture_bytes() {
        return Err(EmbedError::Picture { expected: header.picture_bytes(), found: picture.len() });
    }
    if arena.len() < header.arena_bytes as usize {
        return Err(EmbedError::Arena { needed: header.arena_bytes, found: arena.len() });
    }
    preprocess(model.preprocessing(), picture, &mut arena[model.tensor(0).range()]);
    visit(0, view(model, arena, 0));
    let mut raw = Raw::new();
    for (number, layer) in (0..).zip(model.layers()) {
        meter.start();
        if layer.output == header.layer_count {
            run_last(model, &layer, arena, &mut raw);
            meter.stop(number);
        } else {
            kernels::run(model, &layer, operands(model, &layer, arena));
            meter.stop(number);
            visit(layer.output, view(model, arena, layer.output));
        }
    }
    Ok(raw)
}

/// Whether this firmware computes, for every golden picture of the model, exactly the embedding that the host computed.
///
/// # Errors
/// All of [`GoldenError`], at the first pair that fails.
pub fn check_golden(model: &Model<'_>, arena: &mut [i8]) -> Result<(), GoldenError> {
    for (pair, (picture, components)) in (0..).zip(model.golden()) {
        let embedding = embed(model, picture, arena).map_err(|error| GoldenError::Embed { pair, error })?;
        if embedding.components() != components {
            return Err(GoldenError::Differs { pair });
        }
    }
    Ok(())
}

/// `q = table[channel][pixel]`.
fn preprocess(table: &[i8], picture: &[u8], input: &mut [i8]) {
    let (red, rest) = table.split_at(256);
    let (green, blue) = rest.split_at(256);
    for (values, pixel) in input.chunks_exact_mut(3).zip(picture.chunks_exact(3)) {
        values[0] = red[usize::from(pixel[0])];
        values[1] = green[usize::from(pixel[1])];
        values[2] = blue[usize::from(pixel[2])];
    }
}

fn run_last(model: &Model<'_>, layer: &Layer, arena: &[i8], raw: &mut Raw) {
    let input = view(model, arena, layer.input);
    // `Model::parse` admits at most MAX_DIMENSION.
    raw.resize_default(usize::from(model.header().dimension)).ok();
    kernels::run_last(model, layer, input.data, raw);
}

fn view<'a>(model: &Model<'_>, arena: &'a [i8], number: u16) -> View<'a> {
    let tensor = model.tensor(number);
    View { shape: tensor.shape, data: &arena[tensor.range()] }
}

/// Borrows the output for writing, and the inputs from before and behind it; without the first one where it lies in the
/// output's place.
fn operands<'a>(model: &Model<'_>, layer: &Layer, arena: &'a mut [i8]) -> Operands<'a> {
    let output = model.tensor(layer.output);
    let range = output.range();
    let (before, rest) = arena.split_at_mut(range.start);
    let (data, behind) = rest.split_at_mut(range.len());
    let (before, behind) = (&*before, &*behind);
    let read = |number: Option<u16>| {
        let tensor = number.map(|number| model.tensor(number)).filter(|tensor| tensor.range() != range);
        let Some(tensor) = tensor else { return View { shape: output.shape, data: &[] } };
        let place = tensor.range();
        let data = match place.start.checked_sub(range.end) {
            Some(start) => &behind[start..start + place.len()],
            None => &before[place],
        };
        View { shape: tensor.shape, data }
    };
    let mut inputs = layer.inputs();
    let [input, second_input, third_input] = [(); 3].map(|()| read(inputs.next()));
    Operands { input, second_input, third_input, output: ViewMut { shape: output.shape, data } }
}
