//! One picture through the plan.

use deja_firmware::embedder::{EmbedError, Raw};
use deja_firmware::kernels::{self as camera, Operands};
use deja_shared::embedding::Embedding;
use deja_shared::model::Model;
use deja_shared::quant::{INT16, Requantizer};
use deja_shared::tensor::{View, ViewMut};

use super::plan::inputs;
use super::{Int8Engine, Place, Step, Work};
use crate::compute::int8::{Add, Matrix, Pool, Windowed, biased};

/// What one thread needs to embed: a plan's buffers.
#[derive(Debug, Clone)]
pub struct Scratch {
    buffers: Vec<Vec<u8>>,
    sums: Vec<i32>,
}

impl Scratch {
    /// Buffers for `engine`.
    pub fn new(engine: &Int8Engine) -> Self {
        Self { buffers: engine.buffers.iter().map(|len| vec![0; *len]).collect(), sums: vec![] }
    }

    fn read(&self, place: &Place) -> &[u8] {
        &self.buffers[place.buffer]
    }
}

impl Int8Engine {
    /// The kernels in use.
    pub fn kernels(&self) -> &'static str {
        self.kernels.name
    }

    /// The embedding of one picture: `deja_firmware::embedder::embed` of the `model` that this is the plan of.
    ///
    /// # Errors
    /// [`EmbedError::Picture`] and [`EmbedError::Blank`].
    pub fn embed(&self, model: &Model<'_>, picture: &[u8], scratch: &mut Scratch) -> Result<Embedding, EmbedError> {
        let expected = model.header().picture_bytes();
        if picture.len() as u64 != expected {
            return Err(EmbedError::Picture { expected, found: picture.len() });
        }
        self.preprocess(picture, scratch);
        let mut raw = Raw::new();
        for step in &self.steps {
            match self.places.get(usize::from(step.layer.output)) {
                Some(place) => self.run(model, step, place, scratch),
                None => self.last(model, step, scratch, &mut raw),
            }
        }
        Embedding::from_raw(&raw).map_err(|_| EmbedError::Blank)
    }

    fn preprocess(&self, picture: &[u8], scratch: &mut Scratch) {
        let Place { layout, zero, buffer } = self.places[0];
        let bytes = &mut scratch.buffers[buffer];
        layout.clear_halo(bytes, zero);
        for (row, pixels) in picture.chunks_exact(layout.row()).enumerate() {
            let to = &mut bytes[layout.at(row, 0)..][..layout.row()];
            let Some(table) = &self.table else {
                to.copy_from_slice(pixels);
                continue;
            };
            for (values, pixel) in to.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
                for channel in 0..3 {
                    values[channel] = table[channel * 256 + usize::from(pixel[channel])];
                }
            }
        }
    }

    /// Writes the activation of a layer.
    fn run(&self, model: &Model<'_>, step: &Step, to: &Place, scratch: &mut Scratch) {
        let mut bytes = std::mem::take(&mut scratch.buffers[to.buffer]);
        to.layout.clear_halo(&mut bytes, to.zero);
        let from = &self.places[usize::from(step.layer.input)];
        let input = (scratch.read(from), from.layout);
        let (layer, range) = (&step.layer, step.range);
        match &step.work {
            Work::Convolution(constants, window) => {
                let output = (&mut bytes[..], to.layout);
                (self.kernels.convolution)(Windowed { constants, window: *window, range, input, output });
            }
            Work::Depthwise(constants, window) => {
                let output = (&mut bytes[..], to.layout);
                (self.kernels.depthwise)(Windowed { constants, window: *window, range, input, output });
            }
            Work::Add => {
                let other = &self.places[usize::from(layer.second_input)];
                (self.kernels.add)(Add {
                    inputs: [input, (scratch.read(other), other.layout)],
                    factors: [layer.multiplier_a, layer.multiplier_b],
                    bias: layer.bias,
                    multiplier: layer.multiplier,
                    range,
                    output: (&mut bytes, to.layout),
                });
            }
            Work::Pool => {
                let start = to.layout.at(0, 0);
                let (bias, multiplier) = (layer.bias, layer.multiplier);
                (self.kernels.pool)(Pool { input, bias, multiplier, range, output: &mut bytes[start..] });
            }
            Work::Last(_) | Work::Reference => self.reference(model, step, to, scratch, &mut bytes),
        }
        scratch.buffers[to.buffer] = bytes;
    }

    /// Runs the camera's kernel on copies without halos.
    fn reference(&self, model: &Model<'_>, step: &Step, to: &Place, scratch: &Scratch, bytes: &mut [u8]) {
        let read: Vec<_> =
            inputs(&step.layer).map(|number| plain(&self.places[number], scratch.read(&self.places[number]))).collect();
        let shape = model.tensor(step.layer.output).shape;
        let mut views = inputs(&step.layer).zip(&read).map(|(number, data)| {
            // Activations are numbered with 16 bits.
            View { shape: model.tensor(number as u16).shape, data }
        });
        let [input, second_input, third_input] = [(); 3].map(|()| views.next().unwrap_or(View { shape, data: &[] }));
        let mut data = vec![0; to.layout.height * to.layout.row()];
        let output = ViewMut { shape, data: &mut data };
        let operands = Operands { input, second_input, third_input, output };
        camera::run(model, &step.layer, operands);
        for (row, values) in data.chunks_exact(to.layout.row()).enumerate() {
            let to = &mut bytes[to.layout.at(row, 0)..][..to.layout.row()];
            to.iter_mut().zip(values).for_each(|(to, q)| *to = biased(*q));
        }
    }

    /// The raw embedding.
    fn last(&self, model: &Model<'_>, step: &Step, scratch: &mut Scratch, raw: &mut Raw) {
        let from = &self.places[usize::from(step.layer.input)];
        let Work::Last(matrix) = &step.work else {
            // `Model::parse` admits only dimensions that fit.
            raw.resize_default(usize::from(model.header().dimension)).ok();
            return camera::run_last(model, &step.layer, &plain(from, scratch.read(from)), raw);
        };
        let mut sums = std::mem::take(&mut scratch.sums);
        (self.kernels.accumulate)(matrix, &scratch.read(from)[from.layout.at(0, 0)..], &mut sums);
        raw.extend(requantized(matrix, &sums));
        scratch.sums = sums;
    }
}

/// An activation's values without halo.
fn plain(place: &Place, bytes: &[u8]) -> Vec<i8> {
    place.layout.rows(bytes).flatten().map(|byte| byte.wrapping_sub(128).cast_signed()).collect()
}

fn requantized(matrix: &Matrix, sums: &[i32]) -> impl Iterator<Item = i16> {
    sums.iter().zip(matrix.multipliers()).map(|(sum, multiplier)| {
        let rule = Requantizer { multiplier: *multiplier, zero_point: 0, low: INT16.0, high: INT16.1 };
        // The rule has clamped it to 16 bits.
        rule.apply(*sum) as i16
    })
}
