//! One picture through the plan.

use deja_firmware::embedder::{EmbedError, Raw};
use deja_firmware::kernels::{self as camera, Operands, OutputRange, Summand, Window};
use deja_shared::embedding::Embedding;
use deja_shared::model::{Layer, LayerKind, Model};
use deja_shared::quant::{INT16, Requantizer};
use deja_shared::tensor::{View, ViewMut};

use super::plan::ONE;
use super::{Int8Engine, Place, Step, Work, curves};
use crate::compute::int8::{Add, ConvolutionAdd, Layout, Pool, SLACK, Scale, Windowed, biased, unbiased};

/// What one thread needs to embed: a plan's buffers.
#[derive(Debug, Clone)]
pub struct Scratch {
    buffers: Vec<Vec<u8>>,
    sums: Vec<i32>,
    /// The last matrix's input.
    row: Vec<u8>,
}

impl Scratch {
    /// Buffers for `engine`.
    pub fn new(engine: &Int8Engine) -> Self {
        Self { buffers: engine.buffers.iter().map(|len| vec![0; *len]).collect(), sums: vec![], row: vec![] }
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
        match &step.work {
            Work::Convolution(..) | Work::PointwiseAdd(_) | Work::Depthwise(..) => {
                self.filter(step, scratch, (&mut bytes, to.layout));
            }
            Work::Last(_) | Work::Reference => self.reference(model, step, to, scratch, &mut bytes),
            _ => self.combine(model, step, scratch, (&mut bytes, to.layout)),
        }
        scratch.buffers[to.buffer] = bytes;
    }

    /// Layers with weights.
    fn filter(&self, step: &Step, scratch: &Scratch, output: (&mut [u8], Layout)) {
        let (layer, range, input) = (&step.layer, step.range, self.input(step.layer.input, scratch));
        match &step.work {
            Work::Convolution(constants, window) => {
                (self.kernels.convolution)(Windowed { constants, window: *window, range, input, output });
            }
            Work::PointwiseAdd(constants) => {
                let (summand, input) = (input, self.input(layer.second_input, scratch));
                let convolution = Windowed { constants, window: ONE, range, input, output };
                (self.kernels.convolution_add)(ConvolutionAdd { convolution, summand, rule: self.summand(layer) });
            }
            Work::Depthwise(constants, window) => {
                (self.kernels.depthwise)(Windowed { constants, window: *window, range, input, output });
            }
            _ => {}
        }
    }

    /// Layers without.
    fn combine(&self, model: &Model<'_>, step: &Step, scratch: &Scratch, output: (&mut [u8], Layout)) {
        let (layer, range, input) = (&step.layer, step.range, self.input(step.layer.input, scratch));
        let (bias, multiplier) = (layer.bias, layer.multiplier);
        match &step.work {
            Work::Add => {
                let inputs = [input, self.input(layer.second_input, scratch)];
                let factors = [layer.multiplier_a, layer.multiplier_b];
                (self.kernels.add)(Add { inputs, factors, bias, multiplier, range, output });
            }
            Work::Pool => {
                let output = &mut output.0[output.1.at(0, 0)..];
                (self.kernels.pool)(Pool { input, bias, multiplier, range, output });
            }
            Work::Scale => self.scale(model, step, scratch, output),
            Work::MaxPool(window) => max_pool(window, range, input, output),
            Work::Curve(curves) => curves::apply(curves, input, output),
            Work::Concat(curves) => curves::concat(curves, [input, self.input(layer.second_input, scratch)], output),
            _ => {}
        }
    }

    /// The first input is the summand, where there is one.
    fn scale(&self, model: &Model<'_>, step: &Step, scratch: &Scratch, output: (&mut [u8], Layout)) {
        let layer = &step.layer;
        let with_sum = layer.kind == LayerKind::ChannelScaleAdd;
        let (map, gate) =
            if with_sum { (layer.second_input, layer.third_input) } else { (layer.input, layer.second_input) };
        let (bytes, layout) = self.input(layer.input, scratch);
        let summand = with_sum.then(|| (bytes, layout, self.summand(layer)));
        let zero_points = [map, gate].map(|number| model.tensor(number).zero_point);
        let (input, (gate, from)) = (self.input(map, scratch), self.input(gate, scratch));
        let (gate, multiplier, range) = (&gate[from.at(0, 0)..], layer.multiplier, step.range);
        (self.kernels.scale)(Scale { input, gate, zero_points, multiplier, summand, range, output });
    }

    /// What an activation holds, and how it lies.
    fn input<'a>(&self, number: u16, scratch: &'a Scratch) -> (&'a [u8], Layout) {
        let place = &self.places[usize::from(number)];
        (&scratch.buffers[place.buffer], place.layout)
    }

    /// How a layer's first input enters its sum.
    fn summand(&self, layer: &Layer) -> Summand {
        let zero_point = unbiased(self.places[usize::from(layer.input)].zero);
        Summand { zero_point, multiplier: layer.second_multiplier }
    }

    /// Runs the camera's kernel on copies without halos.
    fn reference(&self, model: &Model<'_>, step: &Step, to: &Place, scratch: &Scratch, bytes: &mut [u8]) {
        let read: Vec<_> = step.layer.inputs().map(|number| (number, plain(self.input(number, scratch)))).collect();
        let view = |index: usize| match read.get(index) {
            Some((number, data)) => View { shape: model.tensor(*number).shape, data },
            None => View { shape: model.tensor(0).shape, data: &[] },
        };
        let mut data = vec![0; to.layout.height * to.layout.row()];
        let output = ViewMut { shape: model.tensor(step.layer.output).shape, data: &mut data };
        let [input, second_input, third_input] = [view(0), view(1), view(2)];
        let operands = Operands { input, second_input, third_input, output };
        camera::run(model, &step.layer, operands);
        for (row, values) in data.chunks_exact(to.layout.row()).enumerate() {
            let to = &mut bytes[to.layout.at(row, 0)..][..to.layout.row()];
            to.iter_mut().zip(values).for_each(|(to, q)| *to = biased(*q));
        }
    }

    /// The raw embedding.
    fn last(&self, model: &Model<'_>, step: &Step, scratch: &mut Scratch, raw: &mut Raw) {
        let Work::Last(matrix) = &step.work else {
            // `Model::parse` admits only dimensions that fit.
            raw.resize_default(usize::from(model.header().dimension)).ok();
            return camera::run_last(model, &step.layer, &plain(self.input(step.layer.input, scratch)), raw);
        };
        let Scratch { buffers, sums, row } = scratch;
        let from = &self.places[usize::from(step.layer.input)];
        row.clear();
        from.layout.rows(&buffers[from.buffer]).for_each(|values| row.extend_from_slice(values));
        row.resize(row.len() + SLACK, 0);
        (self.kernels.accumulate)(matrix, row, sums);
        let low = if step.layer.low < 0 { INT16.0 } else { 0 };
        for (sum, multiplier) in sums.iter().zip(matrix.multipliers()) {
            let rule = Requantizer { multiplier: *multiplier, zero_point: 0, low, high: INT16.1 };
            // The rule has clamped it to 16 bits, and `Model::parse` admits only dimensions that fit.
            raw.push(rule.apply(*sum) as i16).ok();
        }
    }
}

/// An activation's values without halo.
fn plain((bytes, layout): (&[u8], Layout)) -> Vec<i8> {
    let mut values = Vec::with_capacity(layout.height * layout.row());
    layout.rows(bytes).for_each(|row| values.extend(row.iter().map(|byte| unbiased(*byte))));
    values
}

/// The greatest value under each position of a window, of those that lie inside.
fn max_pool(window: &Window, range: OutputRange, (input, from): (&[u8], Layout), (output, to): (&mut [u8], Layout)) {
    // Extents came from 16 bits.
    let (height, width) = (from.height as u16, from.width as u16);
    let (low, high) = (biased(range.low), biased(range.high));
    for i in 0..to.height {
        let rows = window.rows(height, i);
        for j in 0..to.width {
            let columns = window.columns(width, j);
            let results = &mut output[to.at(i, j)..][..to.channels];
            results.fill(low);
            for row in rows.start..rows.start + rows.taps.len() {
                let values = &input[from.at(row, columns.start)..][..columns.taps.len() * from.channels];
                for values in values.chunks_exact(from.channels) {
                    results.iter_mut().zip(values).for_each(|(result, value)| *result = (*value).max(*result));
                }
            }
            results.iter_mut().for_each(|result| *result = (*result).min(high));
        }
    }
}
