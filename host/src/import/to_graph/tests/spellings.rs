//! What files say in several ways, each against tract.

use super::agrees;
use super::net::{INPUT, Net};
use crate::import::Preprocessing;
use crate::import::proto::{integer, integers, real, text};
use crate::network::{Activation, Graph, Operator};

fn count(graph: &Graph, wanted: impl Fn(&Operator) -> bool) -> usize {
    graph.nodes.iter().filter(|node| wanted(&node.operator)).count()
}

/// A file of a stem of 8 channels, `middle`, and a head.
fn around(operator_set: i64, middle: impl Fn(&mut Net, &str) -> (String, usize)) -> Graph {
    let mut net = Net::new();
    let x = net.stem(8);
    let (x, channels) = middle(&mut net, &x);
    let embedding = net.head(&x, channels);
    agrees(&net.bytes(&embedding, operator_set), None)
}

#[test]
fn batch_norm_and_constants_become_part_of_the_layer_before() {
    let graph = around(11, |net, x| {
        let x = net.batch_norm(x, 8);
        let (factor, addend) = (net.random(&[8, 1, 1], 0.5, 1.5), net.number(0.25));
        let x = net.add("Mul", &[&factor, &x], vec![]);
        let x = net.add("Sub", &[&addend, &x], vec![]);
        (net.add("Relu", &[&x], vec![]), 8)
    });
    // The picture, its preprocessing, convolution, ReLU, pool, matrix.
    assert_eq!(graph.nodes.len(), 6);
}

#[test]
fn what_others_read_too_keeps_its_values() {
    let graph = around(11, |net, x| {
        let scaled = net.batch_norm(x, 8);
        let again = net.batch_norm(&scaled, 8);
        let sum = net.add("Add", &[&scaled, &again], vec![]);
        let other = net.add("Relu", &[x], vec![]);
        (net.add("Add", &[&sum, &other], vec![]), 8)
    });
    // The preprocessing and the two batch norms.
    assert_eq!(count(&graph, |operator| matches!(operator, Operator::Depthwise { kernel: 1, .. })), 3);
}

#[test]
fn hard_swish_from_its_pieces() {
    let by_clip = |net: &mut Net, x: &str| {
        let [three, zero, six] = [3.0, 0.0, 6.0].map(|value| net.number(value));
        let gate = net.add("Add", &[x, &three], vec![]);
        let gate = net.add("Clip", &[&gate, &zero, &six], vec![]);
        let y = net.add("Mul", &[x, &gate], vec![]);
        (net.add("Div", &[&y, &six], vec![]), 8)
    };
    let by_gate = |net: &mut Net, x: &str| {
        let x = net.batch_norm(x, 8);
        let gate = net.add("HardSigmoid", &[&x], vec![real("alpha", 1.0 / 6.0), real("beta", 0.5)]);
        (net.add("Mul", &[&gate, &x], vec![]), 8)
    };
    let whole = |net: &mut Net, x: &str| (net.add("HardSwish", &[x], vec![]), 8);
    for graph in [around(11, by_clip), around(11, by_gate), around(14, whole)] {
        assert_eq!(count(&graph, |operator| *operator == Operator::HardSwish), 1);
        assert_eq!(count(&graph, |operator| *operator == Operator::HardSigmoid), 0);
    }
}

#[test]
fn clamps_of_any_range() {
    let ranges = [(0.0, 6.0), (0.0, 1.0), (-1.0, 1.0), (-0.5, f32::INFINITY), (f32::NEG_INFINITY, 0.3), (0.1, 0.7)];
    for (low, high) in ranges {
        let graph = around(11, |net, x| {
            let [low, high] = [low, high].map(|bound| net.number(bound));
            (net.add("Clip", &[x, &low, &high], vec![]), 8)
        });
        let clamps = count(&graph, |operator| matches!(operator, Operator::Activation(_)));
        assert_eq!(clamps, 1, "{low} to {high}");
    }
    let old = around(9, |net, x| {
        let x = net.add("Relu", &[x], vec![]);
        (net.add("Clip", &[&x], vec![real("min", 0.0), real("max", 6.0)]), 8)
    });
    assert_eq!(count(&old, |operator| *operator == Operator::Activation(Activation::Relu6)), 1);
    assert_eq!(count(&old, |operator| *operator == Operator::Activation(Activation::Relu)), 0);
}

#[test]
fn sloped_activations() {
    around(11, |net, x| (net.add("LeakyRelu", &[x], vec![real("alpha", 0.2)]), 8));
    around(11, |net, x| {
        let slope = net.random(&[8, 1, 1], 0.1, 0.4);
        (net.add("PRelu", &[x, &slope], vec![]), 8)
    });
    around(11, |net, x| {
        let slope = net.random(&[1], 0.1, 0.4);
        (net.add("PRelu", &[x, &slope], vec![]), 8)
    });
    around(11, |net, x| (net.add("HardSigmoid", &[x], vec![real("alpha", 0.3), real("beta", 0.4)]), 8));
}

#[test]
fn windows_of_every_kind() {
    let cases: [([usize; 4], Vec<_>); 7] = [
        ([6, 8, 3, 3], vec![integers("strides", &[2, 2]), integers("pads", &[0, 0, 1, 1])]),
        ([6, 8, 1, 5], vec![integers("pads", &[0, 2, 0, 2])]),
        ([6, 8, 3, 3], vec![integers("dilations", &[2, 2]), integers("pads", &[2; 4])]),
        ([8, 1, 10, 6], vec![integer("group", 8)]),
        ([6, 8, 3, 3], vec![text("auto_pad", "SAME_UPPER"), integers("strides", &[2, 2])]),
        ([6, 8, 4, 4], vec![text("auto_pad", "SAME_LOWER"), integers("strides", &[2, 2])]),
        ([6, 8, 1, 1], vec![integers("strides", &[2, 2])]),
    ];
    for (weight, attributes) in cases {
        around(11, |net, x| (net.convolution(x, weight, attributes.clone()), weight[0]));
    }
}

#[test]
fn zeros_around_a_map_join_the_window_behind() {
    around(11, |net, x| {
        let pads = net.whole(&[0, 0, 0, 0, 0, 0, 1, 1]);
        let x = net.batch_norm(x, 8);
        let x = net.add("Pad", &[&x, &pads], vec![]);
        let x = net.convolution(&x, [8, 1, 3, 3], vec![integers("strides", &[2, 2]), integer("group", 8)]);
        let x = net.add("Relu", &[&x], vec![]);
        let pads = net.whole(&[0, 0, 1, 1, 0, 0, 1, 1]);
        let x = net.add("Pad", &[&x, &pads], vec![]);
        (net.add("MaxPool", &[&x], vec![integers("kernel_shape", &[3, 3]), integers("strides", &[2, 2])]), 8)
    });
}

#[test]
fn groups_of_channels() {
    for (weight, groups) in [([12, 2, 3, 3], 4), ([16, 1, 3, 3], 8), ([4, 4, 1, 1], 2)] {
        around(11, |net, x| {
            let x = net.convolution(x, weight, vec![integer("group", groups), integers("pads", &[weight[2] / 2; 4])]);
            (net.batch_norm(&x, weight[0]), weight[0])
        });
    }
}

#[test]
fn pools_of_every_kind() {
    let shape =
        |kernel: [usize; 2], stride: [usize; 2]| vec![integers("kernel_shape", &kernel), integers("strides", &stride)];
    let with = |mut list: Vec<_>, more: Vec<_>| {
        list.extend(more);
        list
    };
    let cases = [
        ("MaxPool", with(shape([3, 3], [2, 2]), vec![integers("pads", &[1; 4])])),
        ("MaxPool", with(shape([2, 2], [2, 2]), vec![integer("ceil_mode", 1)])),
        ("MaxPool", shape([10, 6], [1, 1])),
        ("AveragePool", shape([2, 2], [2, 2])),
        ("AveragePool", shape([10, 6], [1, 1])),
        (
            "AveragePool",
            with(shape([1, 3], [1, 1]), vec![integers("pads", &[0, 1, 0, 1]), integer("count_include_pad", 1)]),
        ),
        ("AveragePool", with(shape([3, 3], [2, 2]), vec![integers("pads", &[1; 4]), integer("count_include_pad", 1)])),
        ("GlobalMaxPool", vec![]),
        ("ReduceMean", vec![integers("axes", &[2, 3])]),
    ];
    for (kind, attributes) in cases {
        around(11, |net, x| (net.add(kind, &[x], attributes.clone()), 8));
    }
}

#[test]
fn means_over_rows_and_columns_one_after_the_other() {
    let mut net = Net::new();
    let x = net.stem(8);
    let x = net.add("ReduceMean", &[&x], vec![integers("axes", &[3]), integer("keepdims", 0)]);
    let x = net.add("ReduceMean", &[&x], vec![integers("axes", &[2]), integer("keepdims", 0)]);
    let (matrix, bias) = (net.random(&[8, 5], -1.0, 1.0), net.random(&[5], -1.0, 1.0));
    let x = net.add("MatMul", &[&x, &matrix], vec![]);
    let x = net.add("Add", &[&x, &bias], vec![]);
    let graph = agrees(&net.bytes(&x, 11), None);
    assert!(matches!(graph.node(graph.embedding).operator, Operator::FullyConnected { bias: Some(_), .. }));
    let mut net = Net::new();
    let x = net.stem(8);
    let flat = net.whole(&[0, 8, -1]);
    let x = net.add("Reshape", &[&x, &flat], vec![]);
    let axes = net.whole(&[-1]);
    let x = net.add("ReduceMean", &[&x, &axes], vec![integer("keepdims", 0)]);
    agrees(&net.bytes(&x, 18), None);
}

#[test]
fn heads_read_flattened_maps_in_either_order() {
    let area = INPUT[0] / 2 * INPUT[1] / 2;
    let mut net = Net::new();
    let x = net.stem(4);
    let x = net.add("Relu", &[&x], vec![]);
    let flat = net.add("Flatten", &[&x], vec![]);
    let dropped = net.add("Dropout", &[&flat], vec![]);
    let (matrix, bias) = (net.random(&[5, 4 * area], -0.1, 0.1), net.random(&[5], -0.1, 0.1));
    let x =
        net.add("Gemm", &[&dropped, &matrix, &bias], vec![integer("transB", 1), real("alpha", 0.5), real("beta", 2.0)]);
    let x = net.batch_norm(&x, 5);
    agrees(&net.bytes(&x, 11), None);
    let mut net = Net::new();
    let x = net.stem(4);
    let last = net.add("Transpose", &[&x], vec![integers("perm", &[0, 2, 3, 1])]);
    let long = net.whole(&[1, -1]);
    let flat = net.add("Reshape", &[&last, &long], vec![]);
    let matrix = net.random(&[4 * area, 5], -0.1, 0.1);
    let x = net.add("MatMul", &[&flat, &matrix], vec![]);
    agrees(&net.bytes(&x, 13), None);
    // A matrix along the last axis, where that holds the channels, is a pointwise layer.
    let mut net = Net::new();
    let x = net.stem(4);
    let last = net.add("Transpose", &[&x], vec![integers("perm", &[0, 2, 3, 1])]);
    let matrix = net.random(&[4, 8], -0.5, 0.5);
    let x = net.add("MatMul", &[&last, &matrix], vec![]);
    let addend = net.random(&[8], -0.5, 0.5);
    let x = net.add("Add", &[&x, &addend], vec![]);
    let x = net.add("Transpose", &[&x], vec![integers("perm", &[0, 3, 1, 2])]);
    let embedding = net.head(&x, 8);
    let graph = agrees(&net.bytes(&embedding, 13), None);
    assert_eq!(count(&graph, |operator| matches!(operator, Operator::Pointwise { bias: Some(_), .. })), 1);
}

#[test]
fn gates_of_squeeze_and_excitation() {
    for spread in [false, true] {
        let graph = around(13, |net, x| {
            let x = net.add("Relu", &[x], vec![]);
            let gate = net.add("ReduceMean", &[&x], vec![integers("axes", &[2, 3]), integer("keepdims", 1)]);
            let gate = net.convolution(&gate, [4, 8, 1, 1], vec![]);
            let gate = net.add("Relu", &[&gate], vec![]);
            let gate = net.convolution(&gate, [8, 4, 1, 1], vec![]);
            let mut gate = net.add("Sigmoid", &[&gate], vec![]);
            if spread {
                let extents = net.whole(&[1, 8, (INPUT[0] / 2) as i64, (INPUT[1] / 2) as i64]);
                gate = net.add("Expand", &[&gate, &extents], vec![]);
            }
            (net.add("Mul", &[&gate, &x], vec![]), 8)
        });
        assert_eq!(count(&graph, |operator| *operator == Operator::ChannelScale), 1);
    }
}

#[test]
fn gated_streams_are_added_by_one_operator() {
    let graph = around(11, |net, x| {
        let streams = [(); 3].map(|()| {
            let x = net.convolution(x, [8, 8, 1, 1], vec![]);
            let gate = net.add("GlobalAveragePool", &[&x], vec![]);
            let gate = net.add("Sigmoid", &[&gate], vec![]);
            net.add("Mul", &[&x, &gate], vec![])
        });
        let sum = net.add("Add", &[&streams[0], &streams[1]], vec![]);
        (net.add("Sum", &[&sum, &streams[2]], vec![]), 8)
    });
    assert_eq!(count(&graph, |operator| *operator == Operator::ChannelScale), 1);
    assert_eq!(count(&graph, |operator| *operator == Operator::Add), 0);
}

#[test]
fn channels_are_split_sliced_and_concatenated() {
    around(11, |net, x| {
        let [left, right] = net.add_two("Split", &[x], vec![integer("axis", 1)]);
        let right = net.convolution(&right, [4, 4, 1, 1], vec![]);
        let (start, end, axis) = (net.whole(&[-3]), net.whole(&[i64::MAX]), net.whole(&[1]));
        let part = net.add("Slice", &[x, &start, &end, &axis], vec![]);
        let indices = net.whole(&[2, 3]);
        let gathered = net.add("Gather", &[x, &indices], vec![integer("axis", 1)]);
        let inputs = [&right[..], &left, &part, &gathered];
        (net.add("Concat", &inputs, vec![integer("axis", 1)]), 13)
    });
}

#[test]
fn generalized_means() {
    for floor in [true, false] {
        let graph = around(13, |net, x| {
            let (least, p, root) = (net.number(1e-3), net.array(&[1], &[3.0]), net.array(&[1], &[1.0 / 3.0]));
            let x = if floor { net.add("Clip", &[x, &least], vec![]) } else { net.add("Relu", &[x], vec![]) };
            let x = net.add("Pow", &[&x, &p], vec![]);
            let x = if floor {
                net.add("GlobalAveragePool", &[&x], vec![])
            } else {
                net.add("AveragePool", &[&x], vec![integers("kernel_shape", &[10, 6])])
            };
            (net.add("Pow", &[&x, &root], vec![]), 8)
        });
        assert_eq!(count(&graph, |operator| matches!(operator, Operator::GeneralizedMeanPool { .. })), 1);
    }
}

#[test]
fn the_length_is_left_out_however_it_is_spelled() {
    let axes = || vec![integers("axes", &[1]), integer("keepdims", 1)];
    let spellings: [fn(&mut Net, &str, Vec<_>) -> String; 4] = [
        |net, x, axes| {
            let length = net.add("ReduceL2", &[x], axes);
            let least = net.number(1e-12);
            let length = net.add("Clip", &[&length, &least], vec![]);
            let extents = net.add("Shape", &[x], vec![]);
            let length = net.add("Expand", &[&length, &extents], vec![]);
            net.add("Div", &[x, &length], vec![])
        },
        |net, x, axes| {
            let squares = net.add("Mul", &[x, x], vec![]);
            let sum = net.add("ReduceSum", &[&squares], axes);
            let least = net.number(1e-12);
            let sum = net.add("Add", &[&sum, &least], vec![]);
            let length = net.add("Sqrt", &[&sum], vec![]);
            let inverse = net.add("Reciprocal", &[&length], vec![]);
            net.add("Mul", &[&inverse, x], vec![])
        },
        |net, x, axes| {
            let (two, half) = (net.number(2.0), net.number(0.5));
            let squares = net.add("Pow", &[x, &two], vec![]);
            let sum = net.add("ReduceSum", &[&squares], axes);
            let length = net.add("Pow", &[&sum, &half], vec![]);
            net.add("Div", &[x, &length], vec![])
        },
        |net, x, _| {
            let y = net.add("LpNormalization", &[x], vec![integer("axis", 1), integer("p", 2)]);
            let scale = net.number(16.0);
            net.add("Mul", &[&y, &scale], vec![])
        },
    ];
    for spelling in spellings {
        let mut net = Net::new();
        let x = net.stem(8);
        let x = net.head(&x, 8);
        let x = net.batch_norm(&x, 6);
        let embedding = spelling(&mut net, &x, axes());
        let graph = agrees(&net.bytes(&embedding, 11), None);
        assert!(matches!(graph.node(graph.embedding).operator, Operator::FullyConnected { .. }));
    }
}

#[test]
fn the_picture_is_prepared_as_it_was_said() {
    for way in ["imagenet", "bgr:imagenet", "unit", "signed", "raw", "deja", "bgr:0.5,0.4,0.3/0.2,0.25,0.5"] {
        let mut net = Net::new();
        let (mean, deviation) = (net.random(&[1, 3, 1, 1], 0.1, 0.5), net.random(&[1, 3, 1, 1], 0.5, 1.5));
        let x = net.add("Sub", &["picture", &mean], vec![]);
        let x = net.add("Div", &[&x, &deviation], vec![]);
        let x = net.convolution(&x, [8, 3, 3, 3], vec![integers("pads", &[1; 4])]);
        let x = net.add("Relu", &[&x], vec![]);
        let embedding = net.head(&x, 8);
        let preprocessing: Preprocessing = way.parse().unwrap();
        agrees(&net.bytes(&embedding, 11), Some(preprocessing));
    }
}

#[test]
fn a_fixed_batch_stays_apart_from_the_rest() {
    let mut net = Net::new();
    let x = net.stem(8);
    let x = net.add("Relu", &[&x], vec![]);
    let matrix = net.random(&[480, 6], -0.1, 0.1);
    let flat = net.whole(&[3, 480]);
    let x = net.add("Reshape", &[&x, &flat], vec![]);
    let x = net.add("MatMul", &[&x, &matrix], vec![]);
    let mut model = net.model(&x, 11);
    super::refusals::set_extent(&mut model, 0, 3);
    agrees(&prost::Message::encode_to_vec(&model), None);
}
