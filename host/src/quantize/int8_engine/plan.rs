//! From a checked model to packed constants, layouts and buffers.

use deja_firmware::kernels::{OutputRange, Parameters, Window};
use deja_shared::model::{Layer, LayerKind, Model, Tensor, pairs};
use deja_shared::tensor::Width;

use super::{Int8Engine, Place, Step, Work, curves};
use crate::compute::int8::{Channelwise, Halo, Int8Kernels, Layout, Matrix, biased};

/// What a pointwise convolution or a matrix slides over its input.
pub(super) const ONE: Window = Window { kernel_height: 1, kernel_width: 1, stride: 1, padding_top: 0, padding_left: 0 };

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
            step.layer.inputs().for_each(|input| last_reader[usize::from(input)] = number);
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

fn places(model: &Model<'_>) -> Vec<Place> {
    let mut halos = vec![Halo::default(); model.tensor_count()];
    for layer in model.layers() {
        // A pool takes its maxima of what lies inside.
        if matches!(layer.kind, LayerKind::Convolution | LayerKind::Depthwise) {
            let [input, output] = [layer.input, layer.output].map(|number| model.tensor(number).shape);
            let halo = &mut halos[usize::from(layer.input)];
            *halo = halo.max(Halo::of(&Window::of(&layer), input, output));
        }
    }
    // Values of 16 bits lie as the camera has them, but for the bias of their bytes: only its own kernels read them.
    let place = |(tensor, halo): (Tensor, Halo)| match tensor.width {
        Width::Eight => Place { layout: Layout::new(tensor.shape, halo), zero: biased(tensor.zero_point), buffer: 0 },
        Width::Sixteen => {
            let plain = Layout::new(tensor.shape, Halo::default());
            Place { layout: Layout { channels: 2 * plain.channels, ..plain }, zero: biased(0), buffer: 0 }
        }
    };
    let raw = model.tensor_count() - 1;
    model.tensors().zip(halos).take(raw).map(place).collect()
}

/// The fast way to compute a layer; none where there is no need of one, where a kernel cannot take its weights, and where
/// something has 16 bits.
fn work(model: &Model<'_>, layer: &Layer, kernels: &Int8Kernels) -> Option<Work> {
    if model.is_wide(layer) {
        return None;
    }
    let (order, parameters) = (&kernels.order, Parameters::of(model, layer));
    let window = Window::of(layer);
    let fan_in = layer.fan_in(model.tensor(layer.weighs()).shape) as usize;
    match layer.kind {
        LayerKind::Convolution => {
            let (input, groups) = (model.tensor(layer.input).shape.channels, usize::from(layer.groups));
            let weights = ungrouped(&parameters, input.into(), groups, fan_in);
            let parameters = Parameters { weights: &weights, ..parameters };
            let matrix = Matrix::pack(order, &parameters, fan_in * groups, window.kernel_height.into())?;
            Some(Work::Convolution(matrix, window))
        }
        LayerKind::Pointwise => Some(Work::Convolution(Matrix::pack(order, &parameters, fan_in, 1)?, ONE)),
        LayerKind::PointwiseAdd => Some(Work::PointwiseAdd(Matrix::pack(order, &parameters, fan_in, 1)?)),
        LayerKind::Depthwise => {
            let width = model.tensor(layer.output).shape.width.into();
            Some(Work::Depthwise(Channelwise::pack(order, &parameters, &window, width)?, window))
        }
        LayerKind::FullyConnected => Some(Work::Last(Matrix::pack(order, &parameters, fan_in, 1)?)),
        LayerKind::Add => Some(Work::Add),
        LayerKind::GlobalAveragePool => Some(Work::Pool),
        LayerKind::MaxPool => Some(Work::MaxPool(window)),
        LayerKind::ChannelScale | LayerKind::ChannelScaleAdd => Some(Work::Scale),
        LayerKind::Lookup | LayerKind::PRelu => Some(Work::Curve(curves::of(model, layer))),
        LayerKind::Concat => {
            let curves = curves::of(model, layer);
            Some(Work::Concat([curves.first()?.clone(), curves.last()?.clone()]))
        }
        LayerKind::GeneralizedMeanPool | LayerKind::Widen => None,
    }
}

/// The weights of a convolution in groups as those of a dense one: zero for other groups.
fn ungrouped(parameters: &Parameters<'_>, inputs: usize, groups: usize, fan_in: usize) -> Vec<i8> {
    let (outputs, group) = (parameters.biases.len(), inputs / groups);
    let mut dense = vec![0; pairs::bytes(outputs, fan_in * groups)];
    for (output, (filter, ..)) in parameters.filters(fan_in).enumerate() {
        let first = output / (outputs / groups) * group;
        for (tap, weight) in filter.taps().enumerate() {
            let tap = tap / group * inputs + first + tap % group;
            dense[pairs::place(output, tap, fan_in * groups)] = weight;
        }
    }
    dense
}

/// The model's pixel table in bytes, unless it changes nothing.
fn table(model: &Model<'_>) -> Option<Vec<u8>> {
    let table: Vec<u8> = model.preprocessing().iter().map(|q| biased(*q)).collect();
    let same = table.iter().enumerate().all(|(index, byte)| index % 256 == usize::from(*byte));
    (!same).then_some(table)
}
