//! Every table against a camera's plain loops, bit for bit, over random shapes and values and the extremes of both.

use deja_firmware::kernels::{
    self as firmware, ChannelScale, ChannelScaleAdd, GlobalAveragePool, OutputRange, Parameters, PointwiseAdd, Summand,
    Window, reference,
};
use deja_shared::tensor::{Shape, View, ViewMut};
use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use crate::compute::int8::{
    Add, Channelwise, ConvolutionAdd, Halo, Int8Kernels, Layout, Matrix, Pool, Scale, Windowed, biased, interleaved,
    unbiased,
};

fn values(n: usize) -> impl Strategy<Value = Vec<i8>> {
    prop_oneof![vec_of(any::<i8>(), n), vec_of(prop::sample::select(vec![-128_i8, 127]), n), Just(vec![-128; n])]
}

fn weights(n: usize) -> impl Strategy<Value = Vec<i8>> {
    prop_oneof![vec_of(-127..=127_i8, n), vec_of(prop::sample::select(vec![-127_i8, 127]), n)]
}

fn biases(n: usize) -> impl Strategy<Value = Vec<i32>> {
    vec_of(prop_oneof![-20_000..20_000, -(1 << 30)..=(1 << 30)], n)
}

/// Small scales, so that results rarely leave their bounds, and the whole range.
fn multipliers(n: usize) -> impl Strategy<Value = Vec<i32>> {
    vec_of(prop_oneof![0..(1 << 20), 0..(1 << 26), Just(i32::MAX), 0..=i32::MAX], n)
}

fn range() -> impl Strategy<Value = OutputRange> {
    let full = any::<i8>().prop_map(|zero_point| OutputRange { zero_point, low: -128, high: 127 });
    let any = (any::<i8>(), any::<i8>(), any::<i8>());
    prop_oneof![full, any.prop_map(|(zero_point, a, b)| OutputRange { zero_point, low: a.min(b), high: a.max(b) })]
}

#[derive(Debug)]
struct Case {
    shape: Shape,
    output: Shape,
    window: Window,
    input: Vec<i8>,
    zero_point: i8,
    fan_in: usize,
    /// As a model holds them.
    packed: Vec<i8>,
    biases: Vec<i32>,
    multipliers: Vec<i32>,
    range: OutputRange,
}

/// Filters that matter (and odd ones), at any place of a small activation.
fn window() -> impl Strategy<Value = Window> {
    let axis = || (1..8_u8).prop_flat_map(|kernel| (Just(kernel), 0..kernel));
    let odd =
        (axis(), axis(), 1..4_u8).prop_map(|((kernel_height, padding_top), (kernel_width, padding_left), stride)| {
            Window { kernel_height, kernel_width, stride, padding_top, padding_left }
        });
    let usual = (prop::sample::select(vec![1_u8, 3, 5]), 1..3_u8).prop_map(|(kernel, stride)| {
        let padding = kernel / 2;
        Window { kernel_height: kernel, kernel_width: kernel, stride, padding_top: padding, padding_left: padding }
    });
    prop_oneof![usual, odd]
}

fn case(depthwise: bool) -> impl Strategy<Value = Case> {
    let channels = if depthwise { 1..150_u16 } else { 1..40_u16 };
    (1..10_u16, 1..12_u16, channels, window(), 1..90_u16).prop_flat_map(
        move |(height, width, channels, window, out)| {
            let shape = Shape::new(height, width, channels);
            let most = |extent: u16, padding: u8| (extent + u16::from(padding) - 1) / u16::from(window.stride) + 1;
            let extents = (1..=most(height, window.padding_top), 1..=most(width, window.padding_left));
            let out = if depthwise { channels } else { out };
            let taps = usize::from(window.kernel_height) * usize::from(window.kernel_width);
            let fan_in = if depthwise { taps } else { taps * usize::from(channels) };
            let n = usize::from(out);
            let constants = (weights(n * fan_in), biases(n), multipliers(n), range());
            (extents, values(shape.len() as usize), any::<i8>(), constants).prop_map(
                move |((height, width), input, zero_point, (weights, biases, multipliers, range))| Case {
                    shape,
                    output: Shape::new(height, width, out),
                    window,
                    input,
                    zero_point,
                    fan_in,
                    packed: if depthwise { weights } else { interleaved(&weights, n) },
                    biases,
                    multipliers,
                    range,
                },
            )
        },
    )
}

impl Case {
    fn parameters(&self) -> Parameters<'_> {
        Parameters { weights: &self.packed, biases: &self.biases, multipliers: &self.multipliers }
    }

    fn expected(&self, kernel: fn(firmware::Windowed<'_>)) -> Vec<i8> {
        let mut data = vec![0; self.output.len() as usize];
        kernel(firmware::Windowed {
            input: View { shape: self.shape, data: &self.input },
            input_zero_point: self.zero_point,
            window: self.window,
            groups: 1,
            parameters: self.parameters(),
            range: self.range,
            output: ViewMut { shape: self.output, data: &mut data },
        });
        data
    }

    /// Runs `kernel` between an input and an output with halos, of which that of the output must stay.
    fn run<C>(&self, constants: &C, kernel: fn(Windowed<'_, C>)) -> Result<Vec<i8>, TestCaseError> {
        let from = Layout::new(self.shape, Halo::of(&self.window, self.shape, self.output));
        let to = Layout::new(self.output, Halo { top: 1, left: 0, bottom: 2, right: 1 });
        let input = spread(&from, &self.input, self.zero_point);
        let mut output = vec![77; to.bytes()];
        let (window, range) = (self.window, self.range);
        kernel(Windowed { constants, window, range, input: (&input, from), output: (&mut output, to) });
        collect(&to, &output)
    }
}

/// Values in a layout, the halo at the zero point.
fn spread(layout: &Layout, values: &[i8], zero_point: i8) -> Vec<u8> {
    let mut bytes = vec![200; layout.bytes()];
    layout.clear_halo(&mut bytes, biased(zero_point));
    for (row, values) in values.chunks_exact(layout.row()).enumerate() {
        let to = &mut bytes[layout.at(row, 0)..][..layout.row()];
        to.iter_mut().zip(values).for_each(|(to, value)| *to = biased(*value));
    }
    bytes
}

/// Values out of a layout, all of whose other bytes are 77.
fn collect(layout: &Layout, bytes: &[u8]) -> Result<Vec<i8>, TestCaseError> {
    let values: Vec<i8> = layout.rows(bytes).flatten().map(|byte| unbiased(*byte)).collect();
    let mut rest = bytes.to_vec();
    layout.clear_halo(&mut rest, 0);
    let (cleared, kept) = (rest.iter().zip(bytes)).fold((0, 0), |(cleared, kept), (rest, byte)| {
        let halo = usize::from(rest != byte);
        (cleared + halo, kept + usize::from(halo == 1 && *byte == 77))
    });
    prop_assert_eq!(cleared, kept, "the halo was written to");
    prop_assert!(bytes[layout.bytes() - 64..].iter().all(|byte| *byte == 77), "the slack was written to");
    Ok(values)
}

/// Two activations of one shape.
fn alike() -> impl Strategy<Value = (Shape, [Vec<i8>; 2])> {
    (1..6_u16, 1..6_u16, 1..150_u16).prop_flat_map(|(height, width, channels)| {
        let shape = Shape::new(height, width, channels);
        let values = || values(shape.len() as usize);
        (Just(shape), [values(), values()])
    })
}

fn summand() -> impl Strategy<Value = Summand> {
    let multiplier = prop_oneof![0..(1 << 26), any::<i32>(), Just(i32::MAX)];
    (any::<i8>(), multiplier).prop_map(|(zero_point, multiplier)| Summand { zero_point, multiplier })
}

proptest! {
    #[test]
    fn convolution(case in case(false)) {
        let expected = case.expected(reference::convolution);
        for kernels in Int8Kernels::available() {
            let segments = case.window.kernel_height.into();
            let matrix = Matrix::pack(&kernels.order, &case.parameters(), case.fan_in, segments).expect("no weight of −128");
            prop_assert_eq!(&case.run(&matrix, kernels.convolution)?, &expected, "{}", kernels.name);
        }
    }

    #[test]
    fn depthwise(case in case(true)) {
        let expected = case.expected(reference::depthwise);
        for kernels in Int8Kernels::available() {
            let width = case.output.width.into();
            let filters = Channelwise::pack(&kernels.order, &case.parameters(), &case.window, width);
            let filters = filters.expect("no weight of −128");
            prop_assert_eq!(&case.run(&filters, kernels.depthwise)?, &expected, "{}", kernels.name);
        }
    }

    #[test]
    fn accumulators(
        (row, weights, biases) in (1..300_usize, 1..200_usize)
            .prop_flat_map(|(n, out)| (values(n), weights(n * out), biases(out)))
    ) {
        let multipliers = vec![0; biases.len()];
        let dot = |weights: &[i8]| row.iter().zip(weights).map(|(x, w)| i32::from(*x) * i32::from(*w)).sum::<i32>();
        let filters = weights.chunks_exact(row.len()).zip(&biases);
        let expected: Vec<i32> = filters.map(|(weights, bias)| bias.wrapping_add(dot(weights))).collect();
        let weights = interleaved(&weights, biases.len());
        let parameters = Parameters { weights: &weights, biases: &biases, multipliers: &multipliers };
        let mut bytes: Vec<u8> = row.iter().map(|x| biased(*x)).collect();
        bytes.resize(row.len().next_multiple_of(4), 99);
        for kernels in Int8Kernels::available() {
            let matrix = Matrix::pack(&kernels.order, &parameters, row.len(), 1).expect("no weight of −128");
            let mut sums = vec![5; 3];
            (kernels.accumulate)(&matrix, &bytes, &mut sums);
            prop_assert_eq!(&sums, &expected, "{}", kernels.name);
        }
    }

    #[test]
    fn pointwise_add(
        (shape, [input, sum], (weights, biases, multipliers)) in alike().prop_flat_map(|(shape, values)| {
            let n = usize::from(shape.channels);
            (Just(shape), Just(values), (weights(n * n), biases(n), multipliers(n)))
        }),
        (rule, range) in (summand(), range()),
    ) {
        let (n, weights) = (biases.len(), interleaved(&weights, biases.len()));
        let parameters = Parameters { weights: &weights, biases: &biases, multipliers: &multipliers };
        let (view, mut expected) = (View { shape, data: &input }, sum.clone());
        let values = &mut expected;
        reference::pointwise_add(PointwiseAdd { input: view, parameters, summand: rule, range, values });
        let halo = Halo { top: 1, left: 2, bottom: 0, right: 1 };
        let [from, from_sum, to] = [halo, Halo::default(), halo].map(|halo| Layout::new(shape, halo));
        let (bytes, bytes_sum) = (spread(&from, &input, 3), spread(&from_sum, &sum, -9));
        let window = Window { kernel_height: 1, kernel_width: 1, stride: 1, padding_top: 0, padding_left: 0 };
        for kernels in Int8Kernels::available() {
            let constants = &Matrix::pack(&kernels.order, &parameters, n, 1).expect("no weight of −128");
            let mut output = vec![77; to.bytes()];
            let convolution = Windowed { constants, window, range, input: (&bytes, from), output: (&mut output, to) };
            (kernels.convolution_add)(ConvolutionAdd { convolution, summand: (&bytes_sum, from_sum), rule });
            prop_assert_eq!(&collect(&to, &output)?, &expected, "{}", kernels.name);
        }
    }

    #[test]
    fn scale(
        (shape, [map, sum], gate) in alike().prop_flat_map(|(shape, maps)| {
            (Just(shape), Just(maps), values(shape.channels.into()))
        }),
        (zero_points, multiplier) in (any::<[i8; 2]>(), prop_oneof![0..(1 << 26), 0..=i32::MAX]),
        (rule, with_sum, range) in (summand(), any::<bool>(), range()),
    ) {
        let mut expected = if with_sum { sum.clone() } else { map.clone() };
        let [zero_point, gate_zero_point] = zero_points;
        let (values, requantizer) = (&mut expected, range.requantizer(multiplier));
        let scale = ChannelScale { zero_point, gate: &gate, gate_zero_point, requantizer, values };
        if with_sum {
            reference::channel_scale_add(ChannelScaleAdd { map: &map, summand: rule, scale });
        } else {
            reference::channel_scale(scale);
        }
        let halo = Halo { top: 1, left: 2, bottom: 0, right: 1 };
        let [from, from_sum, to] = [halo, Halo::default(), halo].map(|halo| Layout::new(shape, halo));
        let (bytes, bytes_sum) = (spread(&from, &map, 3), spread(&from_sum, &sum, -9));
        let gate: Vec<u8> = gate.iter().map(|g| biased(*g)).collect();
        for kernels in Int8Kernels::available() {
            let mut output = vec![77; to.bytes()];
            let summand = with_sum.then_some((&bytes_sum[..], from_sum, rule));
            let (input, result) = ((&bytes[..], from), (&mut output[..], to));
            (kernels.scale)(Scale { input, gate: &gate, zero_points, multiplier, summand, range, output: result });
            prop_assert_eq!(&collect(&to, &output)?, &expected, "{}", kernels.name);
        }
    }

    #[test]
    fn add(
        (shape, [a, b]) in alike(),
        factors in prop_oneof![any::<[i16; 2]>(), Just([i16::MIN; 2]), Just([i16::MAX; 2])],
        (bias, multiplier) in (-(1 << 30)..(1 << 30), prop_oneof![0..(1 << 26), 0..=i32::MAX]),
        range in range(),
    ) {
        let mut expected = a.clone();
        let [multiplier_a, multiplier_b] = factors;
        let (values, requantizer) = (&mut expected, range.requantizer(multiplier));
        reference::add(firmware::Add { b: &b, multiplier_a, multiplier_b, bias, requantizer, values });
        let halo = Halo { top: 1, left: 2, bottom: 0, right: 1 };
        let [from_a, from_b, to] = [Halo::default(), halo, halo].map(|halo| Layout::new(shape, halo));
        let (bytes_a, bytes_b) = (spread(&from_a, &a, 3), spread(&from_b, &b, -9));
        for kernels in Int8Kernels::available() {
            let mut output = vec![77; to.bytes()];
            let inputs = [(&bytes_a[..], from_a), (&bytes_b[..], from_b)];
            (kernels.add)(Add { inputs, factors, bias, multiplier, range, output: (&mut output, to) });
            prop_assert_eq!(&collect(&to, &output)?, &expected, "{}", kernels.name);
        }
    }

    #[test]
    fn pool(
        (shape, data) in (1..9_u16, 1..9_u16, 1..150_u16).prop_flat_map(|(height, width, channels)| {
            let shape = Shape::new(height, width, channels);
            (Just(shape), values(shape.len() as usize))
        }),
        (bias, multiplier, range) in (-(1 << 30)..(1 << 30), prop_oneof![0..(1 << 26), 0..=i32::MAX], range()),
    ) {
        let mut expected = vec![0; shape.channels.into()];
        let (input, requantizer) = (View { shape, data: &data }, range.requantizer(multiplier));
        reference::global_average_pool(GlobalAveragePool { input, bias, requantizer, output: &mut expected });
        let from = Layout::new(shape, Halo { top: 0, left: 1, bottom: 1, right: 0 });
        let bytes = spread(&from, &data, 50);
        for kernels in Int8Kernels::available() {
            let mut output = vec![0; expected.len()];
            (kernels.pool)(Pool { input: (&bytes, from), bias, multiplier, range, output: &mut output });
            let got: Vec<i8> = output.iter().map(|byte| unbiased(*byte)).collect();
            prop_assert_eq!(&got, &expected, "{}", kernels.name);
        }
    }
}
