//! A layer's constants in the order in which a kernel's registers take them.

use deja_firmware::kernels::{Parameters, Window};
use deja_shared::model::pairs;

/// What an implementation asks of packed constants. A register has `lanes` accumulators, and is fed by four products
/// each at once.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Accumulators of a register.
    pub lanes: usize,
    /// Where the weight of product 0..4 of an accumulator stands among the 4·lanes weights of a register.
    pub place: fn(usize, usize) -> usize,
    /// What the implementation adds to a value q before it multiplies: 128 where it takes bytes without a sign.
    pub offset: i32,
}

/// Filters `[outputs][taps]` in the order in which a model holds them.
pub fn interleaved(filters: &[i8], outputs: usize) -> Vec<i8> {
    let mut packed = vec![0; pairs::bytes(outputs, filters.len() / outputs.max(1))];
    pairs::interleave(filters, outputs, &mut packed);
    packed
}

/// Products of an accumulator at once.
const QUAD: usize = 4;

/// The constants of a matrix or a dense convolution. Accumulators are output channels in order, a register of them a
/// block; a block's weights lie row of the filter after row, each padded to whole quads.
#[derive(Debug, Clone)]
pub struct Matrix {
    pub(crate) channels: usize,
    /// Rows of the filter.
    pub(crate) segments: usize,
    /// Groups of four values in a row of the filter.
    pub(crate) quads: usize,
    /// `[block][segment][quad][4·lanes]`
    pub(crate) weights: Vec<i8>,
    /// `[block][lane]`, with the offset folded in.
    pub(crate) biases: Vec<i32>,
    /// `[block][lane]`
    pub(crate) multipliers: Vec<i32>,
}

impl Matrix {
    /// Packs filters in [`pairs`] with taps `[segments][values]` (a matrix has one segment), `fan_in` in all; none where a
    /// weight is −128, which no quantizer writes and not every kernel multiplies.
    pub fn pack(order: &Order, parameters: &Parameters<'_>, fan_in: usize, segments: usize) -> Option<Self> {
        let channels = parameters.biases.len();
        let values = fan_in / segments;
        let (blocks, quads) = (channels.div_ceil(order.lanes), values.div_ceil(QUAD));
        let register = QUAD * order.lanes;
        let mut matrix = Self::zeros(channels, segments, quads, blocks * order.lanes, register);
        for (channel, (filter, bias, multiplier)) in parameters.filters(fan_in).enumerate() {
            let (block, lane) = (channel / order.lanes, channel % order.lanes);
            for (index, weight) in filter.taps().enumerate() {
                let (segment, value) = (index / values, index % values);
                let start = ((block * segments + segment) * quads + value / QUAD) * register;
                matrix.weights[start + (order.place)(lane, value % QUAD)] = weight;
            }
            matrix.biases[channel] = folded(bias, order.offset, filter.taps());
            matrix.multipliers[channel] = multiplier;
        }
        (!parameters.weights.contains(&i8::MIN)).then_some(matrix)
    }

    fn zeros(channels: usize, segments: usize, quads: usize, lanes: usize, register: usize) -> Self {
        Self {
            channels,
            segments,
            quads,
            weights: vec![0; lanes / (register / QUAD) * segments * quads * register],
            biases: vec![0; lanes],
            multipliers: vec![0; lanes],
        }
    }

    /// One requantization multiplier an output channel.
    pub fn multipliers(&self) -> &[i32] {
        &self.multipliers[..self.channels]
    }
}

/// The constants of a depthwise convolution. A block is four registers, into which bytes of four rows are woven: the
/// accumulators of the register k are the channels `16·(lane / 4) + 4·k + lane % 4`.
#[derive(Debug, Clone)]
pub struct Channelwise {
    /// Channels, those of all `repeat` positions together.
    pub(crate) channels: usize,
    /// How many positions of a row are taken as one with so many times the channels.
    pub(crate) repeat: usize,
    /// `[block][group of 4 rows][column][register][4·lanes]`
    pub(crate) weights: Vec<i8>,
    /// `[block][register][lane]`, with the offset folded in.
    pub(crate) biases: Vec<i32>,
    /// `[block][register][lane]`
    pub(crate) multipliers: Vec<i32>,
}

impl Channelwise {
    /// Packs filters `[kernel_height][kernel_width][channel]` for rows of `width` outputs; none where a weight is −128.
    /// Where the window moves by 1 and the channels leave much of a block empty, a whole row becomes one position.
    pub fn pack(order: &Order, parameters: &Parameters<'_>, window: &Window, width: usize) -> Option<Self> {
        let filters = parameters.biases.len();
        let repeat = if window.stride == 1 && 2 * filters <= QUAD * order.lanes { width } else { 1 };
        let channels = filters * repeat;
        let [rows, columns] = [window.kernel_height, window.kernel_width].map(usize::from);
        let (groups, register, block) = (rows.div_ceil(QUAD), QUAD * order.lanes, QUAD * order.lanes);
        let blocks = channels.div_ceil(block);
        let mut packed = Self {
            channels,
            repeat,
            weights: vec![0; blocks * groups * columns * QUAD * register],
            biases: vec![0; blocks * block],
            multipliers: vec![0; blocks * block],
        };
        for channel in 0..channels {
            let (filter, number) = (channel % filters, channel / block);
            let (part, lane) = woven(channel % block);
            let place = (number * QUAD + part) * order.lanes + lane;
            let taps = || parameters.weights.iter().skip(filter).step_by(filters).copied();
            for (tap, weight) in taps().enumerate() {
                let (row, column) = (tap / columns, tap % columns);
                let at = ((number * groups + row / QUAD) * columns + column) * QUAD + part;
                packed.weights[at * register + (order.place)(lane, row % QUAD)] = weight;
            }
            packed.biases[place] = folded(parameters.biases[filter], order.offset, taps());
            packed.multipliers[place] = parameters.multipliers[filter];
        }
        (!parameters.weights.contains(&i8::MIN)).then_some(packed)
    }
}

/// The register and the lane of a block's channel.
fn woven(channel: usize) -> (usize, usize) {
    (channel % 16 / QUAD, channel / 16 * QUAD + channel % QUAD)
}

/// The bias for values that are greater by `offset`, modulo 2³².
fn folded(bias: i32, offset: i32, weights: impl Iterator<Item = i8>) -> i32 {
    let sum = weights.map(i32::from).fold(0, i32::wrapping_add);
    bias.wrapping_sub(sum.wrapping_mul(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Order = Order { lanes: 4, place: |lane, product| 4 * lane + product, offset: 128 };

    #[test]
    fn filters_are_padded_to_whole_quads_and_registers() {
        let weights = interleaved(&(1..=10).collect::<Vec<i8>>(), 2);
        let parameters = Parameters { weights: &weights, biases: &[1000, 7], multipliers: &[5, 6] };
        let matrix = Matrix::pack(&ORDER, &parameters, 5, 1).expect("no weight of −128");
        assert_eq!((matrix.quads, matrix.weights.len()), (2, 32));
        assert_eq!(matrix.weights[..9], [1, 2, 3, 4, 6, 7, 8, 9, 0]);
        assert_eq!(matrix.weights[16..22], [5, 0, 0, 0, 10, 0]);
        assert_eq!(matrix.biases, [1000 - 128 * 15, 7 - 128 * 40, 0, 0]);
        let lowest = Parameters { weights: &[-128, 0, 0, 0, 0, 0, 0, 0], biases: &[0, 0], multipliers: &[5, 6] };
        assert!(Matrix::pack(&ORDER, &lowest, 1, 1).is_none());
    }

    #[test]
    fn every_channel_of_a_block_has_its_own_place() {
        let mut places: Vec<_> = (0..64).map(woven).collect();
        places.sort_unstable();
        let all: Vec<_> = (0..4).flat_map(|register| (0..16).map(move |lane| (register, lane))).collect();
        assert_eq!(places, all);
    }
}
