//! Every operator of a graph between a convolution and a head: int8 follows float, and becomes the layers it should.

use deja_shared::model::{Layer, LayerKind, Model};

use super::fixtures::{INPUT, assert_engine_agrees, awake, pictures};
use super::*;
use crate::network::builder::{Builder, Filter};
use crate::network::channel_gate::ChannelGate;
use crate::network::curve::Curve;
use crate::network::{Activation, NodeId, Role, by_name};
use crate::progress::Silent;

const THREE: Filter = Filter { kernel: 3, stride: 1, padding: 1 };

/// A convolution to 16×8×8, `middle`, a mean over what that leaves, and 12 components.
fn network(middle: impl FnOnce(&mut Builder, NodeId) -> NodeId) -> Graph {
    ending(|b, x| {
        let x = middle(b, x);
        let x = if b.shape(x).height > 1 { b.global_average_pool("pool", x) } else { x };
        b.fully_connected("head", x, 12)
    })
}

/// A convolution to 16×8×8, then `end`, whose last node is the embedding.
fn ending(end: impl FnOnce(&mut Builder, NodeId) -> NodeId) -> Graph {
    let mut b = Builder::new(INPUT, 5);
    let input = b.input();
    let x = b.convolution("stem", input, 8, Filter { kernel: 3, stride: 4, padding: 1 });
    let x = b.norm_and_activation("stem", x, None);
    let embedding = end(&mut b, x);
    awake(b.finish("sketch".into(), embedding, embedding), 6)
}

/// Quantizes, compares on the same pictures, so that nothing is clipped, and returns what was made.
fn follows(graph: &Graph) -> Quantized {
    let settings = Settings { method: Method::MinMax, ..Settings::plain() };
    let pictures = pictures(6, 7);
    let quantized = quantize(graph, &pictures, &settings, &Silent).unwrap();
    let fidelity = compare(&quantized, &pictures, &Silent).unwrap();
    for layer in &fidelity.layers {
        assert!(layer.signal_to_noise_db.is_none_or(|db| db > 27.0), "{layer:?} of {fidelity:#?}");
    }
    assert!(fidelity.least_cosine > 0.999, "{fidelity:#?}");
    assert_engine_agrees(&Model::parse(&quantized.bytes).unwrap(), &pictures);
    quantized
}

fn layers(quantized: &Quantized) -> Vec<Layer> {
    quantized.lowered.layers.iter().map(|layer| layer.layer).collect()
}

fn of_kind(quantized: &Quantized, kind: LayerKind) -> Vec<Layer> {
    layers(quantized).into_iter().filter(|layer| layer.kind == kind).collect()
}

fn parameter<'a>(graph: &'a mut Graph, name: &str) -> &'a mut Vec<f32> {
    &mut graph.parameters.iter_mut().find(|parameter| parameter.name == name).expect(name).values
}

#[test]
fn maxima_are_quantized_as_what_they_are_taken_from() {
    for filter in [Filter { kernel: 3, stride: 2, padding: 1 }, Filter { kernel: 2, stride: 2, padding: 0 }] {
        let made = follows(&network(|b, x| {
            let pooled = b.max_pool("max", x, filter);
            b.activation("relu", pooled, Activation::Relu)
        }));
        let [pool] = of_kind(&made, LayerKind::MaxPool)[..] else { panic!("one pool") };
        let [input, output] =
            [pool.input, pool.output].map(|number| made.lowered.tensors[usize::from(number)].quantization);
        assert_eq!(input, output);
        assert_eq!(pool.low, output.zero_point, "ReLU is a bound of the pool");
        assert_eq!(layers(&made).len(), 4);
    }
}

#[test]
fn means_of_windows_and_of_everything() {
    let made = follows(&network(|b, x| b.average_pool("mean", x, 2, 2)));
    assert_eq!(of_kind(&made, LayerKind::Depthwise).len(), 1);
    follows(&network(|b, x| b.average_pool("mean", x, 3, 1)));
    // From 16×8 by windows of 8 rows, 2 apart: 5×1, whose windows of 1×1 leave it as it is.
    let made = follows(&network(|b, x| {
        let column = b.average_pool("column", x, 8, 2);
        b.average_pool("mean", column, 1, 1)
    }));
    assert_eq!(of_kind(&made, LayerKind::Depthwise).len(), 2);
}

#[test]
fn a_window_over_everything_is_a_global_pool() {
    let mut b = Builder::new([16, 16], 5);
    let x = b.input();
    let x = b.convolution("stem", x, 8, Filter { kernel: 3, stride: 2, padding: 1 });
    let x = b.norm_and_activation("stem", x, None);
    let x = b.average_pool("mean", x, 8, 1);
    let x = b.fully_connected("head", x, 12);
    let graph = fold_batch_norm::fold_batch_norm(&b.finish("square".into(), x, x)).unwrap();
    let ranges = vec![calibrate::Range { low: -1.0, high: 1.0 }; graph.nodes.len()];
    let kinds: Vec<_> = lower::lower(&graph, &ranges).unwrap().layers.iter().map(|layer| layer.layer.kind).collect();
    assert_eq!(kinds, [LayerKind::Convolution, LayerKind::GlobalAveragePool, LayerKind::FullyConnected]);
}

#[test]
fn generalized_means_of_any_exponent() {
    for exponent in [-2.0, 1.0, 3.0, 7.0] {
        let mut graph = network(|b, x| {
            let x = b.activation("relu", x, Activation::Relu);
            b.generalized_mean_pool("gem", x)
        });
        parameter(&mut graph, "gem.exponent")[0] = exponent;
        assert_eq!(of_kind(&follows(&graph), LayerKind::GeneralizedMeanPool).len(), 1);
    }
    let mut graph = network(|b, x| b.generalized_mean_pool("gem", x));
    parameter(&mut graph, "gem.exponent")[0] = 40.0;
    let error = quantize(&graph, &pictures(2, 1), &Settings::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("`gem` has the exponent 40"), "{error}");
}

#[test]
fn curves_are_tables_in_place() {
    for curve in [Curve::Sigmoid, Curve::HardSigmoid, Curve::HardSwish] {
        let made = follows(&network(|b, x| b.curve("curve", x, curve)));
        let [table] = of_kind(&made, LayerKind::Lookup)[..] else { panic!("one table") };
        let place = |number: u16| made.plan.offsets[usize::from(number)];
        assert_eq!(place(table.input), place(table.output));
    }
}

#[test]
fn an_activation_that_cannot_be_a_bound_is_a_table() {
    let made = follows(&network(|b, x| {
        let relu = b.activation("relu", x, Activation::Relu6);
        let curve = b.curve("curve", relu, Curve::HardSwish);
        let curve = b.activation("again", curve, Activation::Relu);
        b.add("sum", x, curve)
    }));
    assert_eq!(of_kind(&made, LayerKind::Lookup).len(), 2);
}

#[test]
fn gates_scale_and_add_up_with_one_rounding() {
    let made = follows(&network(|b, x| {
        let gate = ChannelGate::new(b, "gate", 8, 2);
        let weights = gate.add_to(b, "gate.0", x);
        b.channel_scale("scale", &[[x, weights]])
    }));
    assert_eq!(of_kind(&made, LayerKind::ChannelScale).len(), 1);
    let made = follows(&network(|b, x| {
        let gate = ChannelGate::new(b, "gate", 8, 2);
        let maps = [0, 1, 2].map(|k| {
            let map = b.depthwise(&format!("stream.{k}"), x, THREE);
            b.norm_and_activation(&format!("stream.{k}"), map, Some(Activation::Relu))
        });
        let pairs = maps.map(|map| [map, gate.add_to(b, &format!("gate.{}", map.0), map)]);
        b.channel_scale("scale", &pairs)
    }));
    assert_eq!(of_kind(&made, LayerKind::ChannelScale).len(), 1);
    assert_eq!(of_kind(&made, LayerKind::ChannelScaleAdd).len(), 2);
    assert!(of_kind(&made, LayerKind::Add).is_empty());
}

#[test]
fn slopes_of_any_sign() {
    let mut graph = network(|b, x| b.prelu("prelu", x));
    *parameter(&mut graph, "prelu.slope") = vec![0.25, 0.0, 1.0, -1.0, 2.5, -0.1, 1e-6, 0.9];
    assert_eq!(of_kind(&follows(&graph), LayerKind::PRelu).len(), 1);
}

#[test]
fn parts_of_different_ranges_share_one_scale() {
    let mut graph = network(|b, x| {
        let [left, right] = ["left", "right"].map(|name| b.pointwise(name, x, 5));
        let whole = b.concat("concat", &[left, x, right]);
        b.prelu("prelu", whole)
    });
    parameter(&mut graph, "right.weight").iter_mut().for_each(|weight| *weight *= 3.0);
    let made = follows(&graph);
    let [first, second] = of_kind(&made, LayerKind::Concat)[..] else { panic!("two of two parts each") };
    for (multiplier, passes) in [
        (first.multiplier, true),
        // The stem feeds three nodes and keeps its own scale.
        (first.second_multiplier, false),
        (second.multiplier, true),
        (second.second_multiplier, true),
    ] {
        assert_eq!(multiplier == 1 << 24, passes);
    }
}

#[test]
fn convolutions_of_slices_are_one_in_groups() {
    for normed in [false, true] {
        let made = follows(&network(|b, x| {
            let parts: Vec<NodeId> = (0..4)
                .map(|k| {
                    let slice = b.slice(&format!("slice.{k}"), x, 2 * k, 2);
                    b.convolution(&format!("part.{k}"), slice, 3, THREE)
                })
                .collect();
            let whole = b.concat("concat", &parts);
            if normed { b.norm_and_activation("norm", whole, Some(Activation::Relu)) } else { whole }
        }));
        assert_eq!(layers(&made).iter().map(|layer| layer.groups).collect::<Vec<_>>(), [1, 4, 0, 0]);
    }
}

#[test]
fn a_slice_alone_picks_its_channels() {
    let made = follows(&network(|b, x| {
        let [low, high] = [0, 3].map(|start| b.slice(&format!("slice.{start}"), x, start, 5));
        b.concat("concat", &[high, low])
    }));
    assert_eq!(of_kind(&made, LayerKind::Pointwise).len(), 2);
}

#[test]
fn flattened_maps_go_into_matrices() {
    let made = follows(&ending(|b, x| {
        let flat = b.flatten("flat", x);
        b.fully_connected("head", flat, 12)
    }));
    assert_eq!(layers(&made).len(), 2);
    let made = follows(&ending(|b, x| {
        let flat = b.flatten("flat", x);
        let hidden = b.fully_connected("hidden", flat, 20);
        let hidden = b.activation("relu", hidden, Activation::Relu);
        b.fully_connected("head", hidden, 12)
    }));
    assert_eq!(of_kind(&made, LayerKind::Convolution)[1].kernel_height, 16);
    let graph = ending(|b, x| {
        let flat = b.flatten("flat", x);
        let curve = b.curve("curve", flat, Curve::Sigmoid);
        b.fully_connected("head", curve, 12)
    });
    let error = quantize(&graph, &pictures(2, 1), &Settings::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("`curve` reads an activation that was flattened"), "{error}");
}

#[test]
fn a_network_may_end_in_anything() {
    let widened = |graph: &Graph| assert_eq!(of_kind(&follows(graph), LayerKind::Widen).len(), 1);
    widened(&ending(|b, x| b.global_average_pool("pool", x)));
    widened(&ending(|b, x| {
        let pooled = b.global_average_pool("pool", x);
        b.batch_norm("neck", pooled, Role::Affine)
    }));
    widened(&ending(|b, x| {
        let pooled = b.generalized_mean_pool("pool", x);
        let wide = b.fully_connected("head", pooled, 12);
        b.activation("relu6", wide, Activation::Relu6)
    }));
    let made = follows(&ending(|b, x| {
        let pooled = b.global_average_pool("pool", x);
        let wide = b.fully_connected("head", pooled, 12);
        b.activation("relu", wide, Activation::Relu)
    }));
    let last = layers(&made)[2];
    assert_eq!((last.kind, last.low), (LayerKind::FullyConnected, 0));
    // 1024 components, of which a camera holds 256: all that six pictures need.
    let made = follows(&ending(|b, x| b.flatten("flat", x)));
    assert_eq!(made.graph.dimension(), 256);
    assert_eq!(layers(&made)[1].kind, LayerKind::FullyConnected);
    let error = quantize(&ending(|_, x| x), &pictures(2, 1), &Settings::default(), &Silent).unwrap_err();
    assert!(error.to_string().contains("16x8x8"), "{error}");
}

/// Nothing but the head's bias is left: every operator in between works on zeros.
#[test]
fn dead_maps_pass_every_operator() {
    let mut graph = network(|b, x| {
        let gate = ChannelGate::new(b, "gate", 8, 2);
        let weights = gate.add_to(b, "gate", x);
        let scaled = b.channel_scale("scale", &[[x, weights], [x, weights]]);
        let bent = b.prelu("prelu", scaled);
        let swish = b.curve("swish", bent, Curve::HardSwish);
        let pooled = b.max_pool("max", swish, Filter { kernel: 2, stride: 2, padding: 0 });
        let mean = b.average_pool("mean", pooled, 2, 2);
        let wide = b.concat("concat", &[mean, mean]);
        let sum = b.add("sum", wide, wide);
        b.generalized_mean_pool("gem", sum)
    });
    for name in ["stem.weight", "stem.norm.beta", "stem.norm.mean"] {
        parameter(&mut graph, name).fill(0.0);
    }
    let made = quantize(&graph, &pictures(2, 8), &Settings::default(), &Silent).unwrap();
    let fidelity = compare(&made, &pictures(2, 8), &Silent).unwrap();
    assert!(fidelity.least_cosine > 0.999, "{fidelity:#?}");
    parameter(&mut graph, "head.bias").fill(0.0);
    parameter(&mut graph, "head.weight").fill(0.0);
    let error = quantize(&graph, &pictures(2, 8), &Settings::default(), &Silent).unwrap_err();
    assert!(matches!(error, QuantizeError::ZeroEmbedding { .. }), "{error}");
}

#[test]
fn whole_networks_with_gates_and_pools() {
    for name in ["osnet_x0.25", "osnet_x0.25_gem", "deja_nano_gem"] {
        let graph = awake(by_name(name, INPUT, 32, 3).unwrap(), 4);
        let quantized = quantize(&graph, &pictures(24, 2), &Settings::default(), &Silent).unwrap();
        let fidelity = compare(&quantized, &pictures(6, 3), &Silent).unwrap();
        assert!(fidelity.mean_cosine > 0.98 && fidelity.least_cosine > 0.96, "{name}: {fidelity:#?}");
        let model = Model::parse(&quantized.bytes).unwrap();
        let mut arena = vec![0; model.header().arena_bytes as usize];
        deja_firmware::embedder::check_golden(&model, &mut arena).unwrap();
    }
}
