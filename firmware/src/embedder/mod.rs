//! A picture and a model → an embedding: the pixel table, then layer after layer over the arena.
//!
//! `chain` runs layers together by bands of rows, `operands` borrows from the arena what a kernel reads and writes.

mod chain;
mod error;
mod operands;

pub use error::{EmbedError, GoldenError};

use deja_shared::embedding::{Embedding, MAX_DIMENSION};
use deja_shared::model::{Layer, Model};
use deja_shared::tensor::View;

use crate::kernels;
use operands::{Part, borrow, view};

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
// Not inlined, so that in the linked program everything between a picture and its embedding can be found and checked: that it
// cannot panic, computes with integers alone, and how much stack it may take.
#[inline(never)]
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
/// then what layer `i` wrote as number `i + 1`. The last layer's result is what is returned. An activation of a chain comes
/// in parts, some rows at a time, from the first to the last.
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
    if model.tensor(0).rows_kept == 0 {
        let input = Part::whole(model, 0);
        preprocess(model.preprocessing(), picture, arena.get_mut(input.bytes.clone()).unwrap_or_default());
        visit(0, view(arena, &input));
    }
    let mut number = 0;
    while number + 1 < header.layer_count {
        if let Some(chain) = model.chain(number) {
            number = chain.layers().end;
            chain::run(model, chain, picture, arena, (meter, &mut visit));
        } else {
            let layer = model.layer(number);
            let output = Part::whole(model, layer.output);
            let mut inputs = layer.inputs().map(|input| Part::whole(model, input));
            let inputs = [(); 3].map(|()| inputs.next());
            meter.start();
            kernels::run(model, &layer, borrow(arena, inputs, output.clone()));
            meter.stop(number);
            visit(layer.output, view(arena, &output));
            number += 1;
        }
    }
    meter.start();
    let raw = run_last(model, &model.layer(number), arena);
    meter.stop(number);
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
    // `Model::parse` admits no other table.
    let ([red, green, blue], []) = table.as_chunks::<256>() else { return };
    let (values, _) = input.as_chunks_mut::<3>();
    let (pixels, _) = picture.as_chunks::<3>();
    for (values, pixel) in values.iter_mut().zip(pixels) {
        let [r, g, b] = *pixel;
        *values = [red[usize::from(r)], green[usize::from(g)], blue[usize::from(b)]];
    }
}

fn run_last(model: &Model<'_>, layer: &Layer, arena: &[i8]) -> Raw {
    let input = view(arena, &Part::whole(model, layer.input));
    let mut raw = Raw::new();
    // `Model::parse` admits at most MAX_DIMENSION.
    raw.resize_default(usize::from(model.header().dimension)).ok();
    kernels::run_last(model, layer, input.data, &mut raw);
    raw
}
