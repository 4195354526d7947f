//! What the planner knows of a lowered network: shapes, and who reads what until when.

use deja_shared::model::{Layer, Layout, Tensor};
use deja_shared::tensor::Shape;

use super::blocks::padded;
use crate::quantize::lower::Lowered;

/// Layers and activations without their constants.
#[derive(Debug, Clone)]
pub(super) struct Network {
    /// The lowered layer that each layer is.
    pub order: Vec<usize>,
    /// Multiply-accumulates of layers that stand in the order before.
    pub repeated: u64,
    /// In the order in which they run; layer `i` writes activation `i + 1`.
    pub layers: Vec<Layer>,
    /// Without the last, the raw embedding, which does not lie in the arena.
    pub activations: Vec<Tensor>,
    /// The last layer that reads each; the one that writes it where none does.
    pub last_reader: Vec<usize>,
}

impl Network {
    /// The layers of `lowered` in `order`, where one may stand several times: from each copy on, who reads its result
    /// reads that of this copy.
    pub fn new(lowered: &Lowered, order: Vec<usize>) -> Self {
        let mut current = vec![0; lowered.tensors.len()];
        let layers = (1..).zip(&order).map(|(output, &source)| {
            let mut layer = lowered.layers[source].layer;
            [layer.input, layer.second_input, layer.third_input] =
                [layer.input, layer.second_input, layer.third_input].map(|input| current[usize::from(input)]);
            (layer.output, current[source + 1]) = (output, output);
            layer
        });
        let layers: Vec<Layer> = layers.collect();
        let inner = &order[..order.len().saturating_sub(1)];
        let activations: Vec<Tensor> =
            [0].into_iter().chain(inner.iter().map(|source| source + 1)).map(|n| lowered.tensors[n].record()).collect();
        let mut last_reader: Vec<usize> =
            (0..activations.len()).map(|number: usize| number.saturating_sub(1)).collect();
        for (index, layer) in layers.iter().enumerate() {
            layer.inputs().for_each(|input| last_reader[usize::from(input)] = index);
        }
        let repeated = repeated(lowered, &order);
        Self { order, repeated, layers, activations, last_reader }
    }

    /// Multiply-accumulates.
    pub fn macs(&self) -> u64 {
        // Of the last layer, a matrix or none, there are few.
        let layers = &self.layers[..self.layers.len() - 1];
        layers.iter().map(|layer| macs(layer, |number| self.activations[usize::from(number)].shape)).sum()
    }

    /// Bytes of a whole activation, up to the next boundary.
    pub fn bytes(&self, number: usize) -> usize {
        padded(self.activations[number].bytes() as usize)
    }

    /// The activations that are there before layer `index` runs, and needed then or later.
    pub fn live(&self, index: usize) -> impl Iterator<Item = usize> {
        (0..=index).filter(move |&number| self.last_reader[number] >= index)
    }

    /// The layers that read an activation.
    pub fn readers(&self, number: usize) -> impl Iterator<Item = usize> {
        let reads = move |layer: &Layer| layer.inputs().any(|input| usize::from(input) == number);
        self.layers.iter().enumerate().filter(move |(_, layer)| reads(layer)).map(|(index, _)| index)
    }

    /// The bytes needed while layer `index` runs by itself.
    pub fn bytes_alone(&self, index: usize) -> usize {
        let live: usize = self.live(index).map(|number| self.bytes(number)).sum();
        let has_place = index + 1 == self.layers.len() || self.takes_place(index);
        if has_place { live } else { live + self.bytes(index + 1) }
    }

    /// Whether a layer's result may lie where its first input does, as nobody else needs that.
    pub fn takes_place(&self, index: usize) -> bool {
        let layer = &self.layers[index];
        let once = layer.inputs().filter(|&input| input == layer.input).count() == 1;
        let width = |number: usize| self.activations[number].width;
        let fits = layer.kind.is_in_place() && once && width(layer.input.into()) == width(index + 1);
        fits && self.last_reader[usize::from(layer.input)] == index
    }
}

/// The places are those of `activations`.
impl Layout for Network {
    fn layer(&self, index: u16) -> Layer {
        self.layers[usize::from(index)]
    }

    fn activation(&self, number: u16) -> Tensor {
        self.activations[usize::from(number)]
    }

    fn read_until(&self, number: u16) -> u16 {
        // The format has fewer layers than 16 bits can count.
        self.last_reader[usize::from(number)] as u16 + 1
    }
}

/// Multiply-accumulates of every layer that an order names again.
fn repeated(lowered: &Lowered, order: &[usize]) -> u64 {
    let again = order.iter().enumerate().filter(|(at, source)| order[..*at].contains(source));
    let shape = |number: u16| lowered.tensors[usize::from(number)].shape;
    again.map(|(_, &source)| macs(&lowered.layers[source].layer, shape)).sum()
}

/// Multiply-accumulates of a layer on activations of these shapes.
fn macs(layer: &Layer, shape: impl Fn(u16) -> Shape) -> u64 {
    let fan_in = if layer.kind.has_weights() { layer.fan_in(shape(layer.weighs())) } else { 0 };
    u64::from(fan_in) * shape(layer.output).len()
}
