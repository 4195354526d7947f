//! From a checked model to packed constants, layouts and buffers.

use deja_firmware::kernels::{OutputRange, Parameters, Window};
use deja_shared::model::{Layer, LayerKind, Model};

use super::{Int8Engine, Place, Step, Work};
use crate::compute::int8::{Channelwise, Halo, Int8Kernels, Layout, Matrix, biased};

/// What a pointwise convolution or a matrix slides over its input.
const ONE: Window = Window { kernel_height: 1, kernel_width: 1, stride: 1, padding_top: 0, padding_left: 0 };

impl Int8Engine {
    /// A plan for `model` with the kernels `kernels`.
    pub fn new(model: &Model<'_>, kernels: &'static Int8Kernels) -> Self {
        let steps = model.layers().map(|layer| Step {
            layer,
            range: OutputRange::of(model, &layer),
            work: work(model, &layer, kernels).unwrap_or(Work::Reference),
        });
        let mut engine =
            Self { kernels, places: places(model), buffers: vec![], steps: steps.collect(), table: table(model) };
        engine.assign_buffers();
        engine
    }

    /// Gives each activation a buffer from its writer to its last reader.
    fn assign_buffers(&mut self) {
        let mut last_reader = vec![0; self.places.len()];
        for (number, step) in self.steps.iter().enumerate() {
            inputs(&step.layer).for_each(|input| last_reader[input] = number);
        }
        let mut free: Vec<usize> = vec![];
        for activation in 0..self.places.len() {
            let len = self.places[activation].layout.bytes();
            let waste = |buffer: usize| (self.buffers[buffer] < len, self.buffers[buffer].abs_diff(len));
            let best = (0..free.len()).min_by_key(|index| waste(free[*index]));
            let buffer = best.map_or(self.buffers.len(), |index| free.swap_remove(index));
            if buffer == self.buffers.len() {
                self.buffers.push(0);
            }
            self.buffers[buffer] = self.buffers[buffer].max(len);
            self.places[activation].buffer = buffer;
            // Layer n writes activation n + 1, and until then its inputs must stay.
            let done = (0..activation).filter(|input| last_reader[*input] + 1 == activation);
            free.extend(done.map(|input| self.places[input].buffer));
        }
    }
}

/// The activations that a layer reads.
pub(super) fn inputs(layer: &Layer) -> impl Iterator<Item = usize> + use<> {
    layer.inputs().map(usize::from)
}

fn places(model: &Model<'_>) -> Vec<Place> {
    let mut halos = vec![Halo::default(); model.tensor_count()];
    for layer in model.layers() {
        if matches!(layer.kind, LayerKind::Convolution | LayerKind::Depthwise) {
            let [input, output] = [layer.input, layer.output].map(|number| model.tensor(number).shape);
            let halo = &mut halos[usize::from(layer.input)];
            *halo = halo.max(Halo::of(&Window::of(&layer), input, output));
        }
    }
    let place = |(tensor, halo): (deja_shared::model::Tensor, Halo)| Place {
        layout: Layout::new(tensor.shape, halo),
        zero: biased(tensor.zero_point),
        buffer: 0,
    };
    let raw = model.tensor_count() - 1;
    model.tensors().zip(halos).take(raw).map(place).collect()
}

/// The fast way to compute a layer; none where a kernel cannot take its weights.
fn work(model: &Model<'_>, layer: &Layer, kernels: &Int8Kernels) -> Option<Work> {
    let (order, parameters) = (&kernels.order, Parameters::of(model, layer));
    let window = Window::of(layer);
    match layer.kind {
        LayerKind::Convolution if layer.groups == 1 => {
            let matrix = Matrix::pack(order, &parameters, window.kernel_height.into())?;
            Some(Work::Convolution(matrix, window))
        }
        LayerKind::Pointwise => Some(Work::Convolution(Matrix::pack(order, &parameters, 1)?, ONE)),
        LayerKind::Depthwise => {
            let width = model.tensor(layer.output).shape.width.into();
            Some(Work::Depthwise(Channelwise::pack(order, &parameters, &window, width)?, window))
        }
        // A vector, and without ReLU.
        LayerKind::FullyConnected if layer.low < 0 && model.tensor(layer.input).shape.positions() == 1 => {
            Some(Work::Last(Matrix::pack(order, &parameters, 1)?))
        }
        LayerKind::Add => Some(Work::Add),
        LayerKind::GlobalAveragePool => Some(Work::Pool),
        _ => None,
    }
}

/// The model's pixel table in bytes, unless it changes nothing.
fn table(model: &Model<'_>) -> Option<Vec<u8>> {
    let table: Vec<u8> = model.preprocessing().iter().map(|q| biased(*q)).collect();
    let same = table.iter().enumerate().all(|(index, byte)| index % 256 == usize::from(*byte));
    (!same).then_some(table)
}
