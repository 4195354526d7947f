//! Layers that compute each value from one other value: tables of what the camera's kernel makes of every byte.

use deja_firmware::kernels::{self as camera, Operands};
use deja_shared::model::{Layer, Model};
use deja_shared::tensor::{Shape, View, ViewMut};

use crate::compute::int8::{Layout, biased};

/// Byte → byte, both q + 128.
pub type Curve = Box<[u8; 256]>;

/// One curve an output channel; one alone where all are alike.
pub fn of(model: &Model<'_>, layer: &Layer) -> Vec<Curve> {
    let channels = |number: u16| usize::from(model.tensor(number).shape.channels);
    // Every value in every channel, a position each.
    let every = |channels: usize| -> Vec<i8> { (i8::MIN..=i8::MAX).flat_map(|q| vec![q; channels]).collect() };
    let shape = |number: u16| Shape::new(256, 1, model.tensor(number).shape.channels);
    let inputs: Vec<_> = layer.inputs().map(|number| (shape(number), every(channels(number)))).collect();
    let view = |index: usize| match inputs.get(index) {
        Some((shape, data)) => View { shape: *shape, data },
        None => View { shape: inputs[0].0, data: &[] },
    };
    let count = channels(layer.output);
    let mut data = vec![0; 256 * count];
    let output = ViewMut { shape: shape(layer.output), data: &mut data };
    let [input, second_input, third_input] = [view(0), view(1), view(2)];
    camera::run(model, layer, Operands { input, second_input, third_input, output });
    let curve = |channel: usize| Box::new(std::array::from_fn(|q| biased(data[q * count + channel])));
    let mut curves: Vec<Curve> = (0..count).map(curve).collect();
    if curves.iter().all(|curve| *curve == curves[0]) {
        curves.truncate(1);
    }
    curves
}

/// y = curve\[x\], with one curve for all channels or one a channel.
pub fn apply(curves: &[Curve], (input, from): (&[u8], Layout), (output, to): (&mut [u8], Layout)) {
    for row in 0..to.height {
        let values = &input[from.at(row, 0)..][..from.row()];
        let results = output[to.at(row, 0)..][..to.row()].chunks_exact_mut(curves.len());
        for (results, values) in results.zip(values.chunks_exact(curves.len())) {
            for ((result, value), curve) in results.iter_mut().zip(values).zip(curves) {
                *result = curve[usize::from(*value)];
            }
        }
    }
}

/// The channels of both inputs, each by its curve, one behind the other.
pub fn concat(curves: &[Curve; 2], inputs: [(&[u8], Layout); 2], (output, to): (&mut [u8], Layout)) {
    let mut start = 0;
    for (curve, (input, from)) in curves.iter().zip(inputs) {
        for row in 0..to.height {
            let values = input[from.at(row, 0)..][..from.row()].chunks_exact(from.channels);
            let results = output[to.at(row, 0)..][..to.row()].chunks_exact_mut(to.channels);
            for (results, values) in results.zip(values) {
                for (result, value) in results[start..].iter_mut().zip(values) {
                    *result = curve[usize::from(*value)];
                }
            }
        }
        start += from.channels;
    }
}
