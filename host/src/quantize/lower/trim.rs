//! Rows and columns of zeros at the border of a filter, which cost a camera work and change nothing.
//!
//! They come with networks that pad one side only: such a convolution is imported as a larger one with padding on both.

use deja_shared::model::{Layer, LayerKind};
use deja_shared::tensor::Shape;

/// The window's extents while it shrinks, and the channels that lie behind it: `[…][height][width][channels]`.
struct Window {
    height: usize,
    width: usize,
    channels: usize,
}

/// Takes rows and columns of zeros off a layer with a window, of weights `[out][kernel_height][kernel_width][in]`, if
/// depthwise `[kernel_height][kernel_width][channel]`; what is left.
pub(super) fn trim(layer: &mut Layer, weights: Vec<i8>, input: Shape, output: Shape) -> Vec<i8> {
    let before = match layer.kind {
        LayerKind::Convolution => usize::from(output.channels),
        LayerKind::Depthwise => 1,
        _ => return weights,
    };
    let [height, width] = [layer.kernel_height, layer.kernel_width].map(usize::from);
    let mut window = Window { height, width, channels: weights.len() / (before * height * width).max(1) };
    let mut kept = weights;
    // A window must touch the input, even with what is cut off in front of it.
    let touches = |extent: u16, outputs: u16, padding: u8, stride: u8| {
        (u32::from(outputs) - 1) * u32::from(stride) + 1 < u32::from(extent) + u32::from(padding)
    };
    let stride = layer.stride;
    while layer.padding_top > 0
        && touches(input.height, output.height, layer.padding_top, stride)
        && window.without_row(0, &mut kept)
    {
        layer.padding_top -= 1;
    }
    while window.height > usize::from(layer.padding_top) + 1 && window.without_row(window.height - 1, &mut kept) {}
    while layer.padding_left > 0
        && touches(input.width, output.width, layer.padding_left, stride)
        && window.without_column(0, &mut kept)
    {
        layer.padding_left -= 1;
    }
    while window.width > usize::from(layer.padding_left) + 1 && window.without_column(window.width - 1, &mut kept) {}
    // Smaller than before, and that was a byte.
    (layer.kernel_height, layer.kernel_width) = (window.height as u8, window.width as u8);
    kept
}

impl Window {
    /// Cuts off a row if it is all zeros and not the only one.
    fn without_row(&mut self, row: usize, weights: &mut Vec<i8>) -> bool {
        let (row_len, height) = (self.width * self.channels, self.height);
        let cut = height > 1 && without(weights, |index| index / row_len % height == row);
        self.height -= usize::from(cut);
        cut
    }

    fn without_column(&mut self, column: usize, weights: &mut Vec<i8>) -> bool {
        let (channels, width) = (self.channels, self.width);
        let cut = width > 1 && without(weights, |index| index / channels % width == column);
        self.width -= usize::from(cut);
        cut
    }
}

/// Takes away the weights with these indices, if they are zeros.
fn without(weights: &mut Vec<i8>, cut: impl Fn(usize) -> bool) -> bool {
    let zeros = weights.iter().enumerate().all(|(index, &weight)| weight == 0 || !cut(index));
    if zeros {
        let kept = weights.iter().enumerate().filter(|(index, _)| !cut(*index)).map(|(_, &weight)| weight);
        *weights = kept.collect();
    }
    zeros
}

#[cfg(test)]
mod tests {
    use super::*;
    use deja_firmware::kernels::{OutputRange, Parameters, Window, Windowed, reference};
    use deja_shared::tensor::{View, ViewMut};
    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    use crate::compute::int8::interleaved;

    fn layer(kind: LayerKind, kernel: u8, padding: u8, stride: u8) -> Layer {
        let (padding_top, padding_left) = (padding, padding);
        Layer { kernel_height: kernel, kernel_width: kernel, padding_top, padding_left, stride, ..Layer::new(kind) }
    }

    #[test]
    fn padding_on_one_side_only_costs_nothing() {
        // 4×4 with a row and a column of zeros in front, padded by 1: 3×3 without padding in front.
        let mut weights = vec![1; 2 * 16 * 3];
        for (index, weight) in weights.iter_mut().enumerate() {
            *weight = i8::from(index / 12 % 4 > 0 && index / 3 % 4 > 0);
        }
        let mut stem = layer(LayerKind::Convolution, 4, 1, 2);
        let kept = trim(&mut stem, weights, Shape::new(8, 8, 3), Shape::new(4, 4, 2));
        assert_eq!(kept, vec![1; 2 * 9 * 3]);
        assert_eq!(stem, layer(LayerKind::Convolution, 3, 0, 2));
        let mut dead = layer(LayerKind::Depthwise, 3, 1, 1);
        let kept = trim(&mut dead, vec![0; 9 * 2], Shape::new(4, 4, 2), Shape::new(4, 4, 2));
        assert_eq!((kept, dead), (vec![0; 2], layer(LayerKind::Depthwise, 1, 0, 1)));
    }

    fn run(layer: &Layer, weights: &[i8], input: &View<'_>, output: Shape) -> Vec<i8> {
        let channels = usize::from(output.channels);
        let (biases, multipliers) = (vec![7; channels], vec![1 << 24; channels]);
        let dense = layer.kind == LayerKind::Convolution;
        let packed = if dense { interleaved(weights, channels) } else { weights.to_vec() };
        let mut data = vec![0; output.len() as usize];
        (if dense { reference::convolution } else { reference::depthwise })(Windowed {
            input: *input,
            input_zero_point: -9,
            window: Window::of(layer),
            groups: 1,
            parameters: Parameters { weights: &packed, biases: &biases, multipliers: &multipliers },
            range: OutputRange { zero_point: 0, low: -128, high: 127 },
            output: ViewMut { shape: output, data: &mut data },
        });
        data
    }

    proptest! {
        /// Where many weights are zero, the results stay.
        #[test]
        fn results_stay(
            dense in any::<bool>(),
            (kernel, padding, stride) in (1..5u8).prop_flat_map(|kernel| (Just(kernel), 0..kernel, 1..3u8)),
            (height, width) in (1..6u16, 1..6u16),
            dead in any::<[bool; 8]>(),
            values in vec_of(any::<i8>(), 2 * 36),
            weights in vec_of(-127..=127i8, 2 * 2 * 16),
        ) {
            let kind = if dense { LayerKind::Convolution } else { LayerKind::Depthwise };
            let mut layer = layer(kind, kernel, padding, stride);
            let (input, most) = (Shape::new(height, width, 2), |extent: u16| (extent + u16::from(padding) - 1) / u16::from(stride) + 1);
            let output = Shape::new(most(height), most(width), 2);
            let side = usize::from(kernel);
            let count = side * side * if dense { 4 } else { 2 };
            let is_dead = |index: usize| dead[index / (2 * side) % side] || dead[4 + index / 2 % side];
            let weights: Vec<i8> = (0..count).map(|index| if is_dead(index) { 0 } else { weights[index] }).collect();
            let view = View { shape: input, data: &values[..input.len() as usize] };
            let before = run(&layer, &weights, &view, output);
            let kept = trim(&mut layer, weights.clone(), input, output);
            prop_assert!(kept.len() <= weights.len() && layer.padding_top < layer.kernel_height);
            prop_assert_eq!(run(&layer, &kept, &view, output), before);
        }
    }
}
