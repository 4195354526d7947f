//! A network that int8 destroys, and every operator with 16 bits.

use super::*;
use crate::dataset::{self, Dataset};
use crate::network::builder::{Builder, Filter};
use crate::network::{Activation, Graph, NodeId, by_name};
use crate::progress::Silent;
use crate::quantize::fixtures::{INPUT, assert_engine_agrees, awake, pictures, shallow};
use crate::quantize::{BUDGET, QuantizeError, Settings, Shipped, compare, quantize, quantize_checkpoint};
use crate::training::Checkpoint;
use deja_shared::model::Model;
use std::path::Path;

/// A sum of which one channel is `outlier` times as large as the fifteen others. A quarter of the embedding reads that
/// channel, the rest the others, so neither clipping it nor rounding to its scale will do. Nothing can be equalized: two
/// layers read the first summand, and the other one is added.
fn lopsided(outlier: f32) -> Graph {
    let mut b = Builder::new(INPUT, 11);
    let input = b.input();
    let x = b.convolution("stem", input, 16, Filter { kernel: 3, stride: 4, padding: 1 });
    let x = b.norm_and_activation("stem", x, Some(Activation::Relu));
    let x = b.convolution("down", x, 16, Filter { kernel: 4, stride: 4, padding: 0 });
    let x = b.norm_and_activation("down", x, Some(Activation::Relu));
    let large = b.pointwise("amplify", x, 16);
    let large = b.norm_and_activation("amplify", large, None);
    let sum = b.add("sum", x, large);
    let flat = b.flatten("flat", sum);
    let head = b.fully_connected("head", flat, 32);
    let mut graph = b.finish("lopsided".into(), head, head);
    let amplify = parameter(&mut graph, "amplify.weight");
    amplify.fill(0.0);
    amplify[0] = outlier - 1.0;
    for (index, weight) in parameter(&mut graph, "head.weight").iter_mut().enumerate() {
        let (channel, output) = (index / 32 % 16, index % 32);
        *weight *= match (channel == 0, output < 8) {
            (true, true) => 4.0 / outlier,
            (false, false) => 1.0,
            _ => 0.0,
        };
    }
    graph
}

fn parameter<'a>(graph: &'a mut Graph, name: &str) -> &'a mut Vec<f32> {
    &mut graph.parameters.iter_mut().find(|parameter| parameter.name == name).expect(name).values
}

/// 30 identities to calibrate with and 40 to judge by, of four pictures each: a pattern of their own under another one.
fn patterns(folder: &Path) -> Dataset {
    let mut manifest = String::from("path,identity,camera,split\n");
    let size = INPUT.map(|extent| extent as u32);
    for (number, identity) in (0..280).map(|number| (number, number / 4)) {
        let [own, other] = [1000 + identity, 2000 + number].map(|seed| pictures(1, seed));
        let mix = |(&own, &other): (&u8, &u8)| ((3 * u16::from(own) + u16::from(other)) / 4) as u8;
        let pixels: Vec<u8> = own.iter().zip(&other).map(mix).collect();
        let path = folder.join(format!("{number}.png"));
        image::save_buffer(&path, &pixels, size[1], size[0], image::ExtendedColorType::Rgb8).expect("a picture");
        let split = if identity < 30 { "train" } else { "query" };
        manifest += &format!("{number}.png,{identity},{},{split}\n", number % 2);
    }
    let path = folder.join("manifest.csv");
    std::fs::write(&path, manifest).expect("a manifest");
    dataset::open(&path).expect("a data set")
}

fn ship(graph: Graph, int16: Int16<'_>) -> Result<Shipped, ShipError> {
    let folder = tempfile::tempdir().expect("a folder");
    let data = patterns(folder.path());
    let checkpoint = Checkpoint::imported(graph, &data).expect("enough identities");
    let request = Request { int16, held_out: Some(&data), ..Request::default() };
    quantize_checkpoint(&checkpoint, &data, &request, &Silent)
}

#[test]
fn a_network_that_int8_destroys_is_saved_by_16_bits_where_they_are_needed() {
    let int8 = ship(lopsided(300.0), Int16::None).expect("a model");
    let refused = int8.check_budget(BUDGET, &Silent);
    assert!(matches!(refused, Err(QuantizeError::Budget { .. })), "{:?}", int8.gate);
    assert!(int8.widening.is_none() && int8.gate.as_ref().is_some_and(|gate| gate.float.map > 0.5));
    let mixed = ship(lopsided(300.0), Int16::Auto).expect("a model");
    mixed.check_budget(BUDGET, &Silent).expect("within the budget");
    let widening = mixed.widening.expect("layers of 16 bits");
    let names: Vec<&str> = widening.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!((names, widening.layers[0].bytes), (vec!["sum"], 2 * 4 * 2 * 16), "{widening:?}");
    assert_eq!(widening.reason, Reason::Budget);
    assert!(widening.layers[0].int8_cost > 0.1 && widening.int8_map_loss > Some(0.1), "{widening:?}");
    assert!(mixed.fidelity.mean_cosine > 0.99 && widening.int8_mean_cosine < 0.9, "{:?}", mixed.fidelity);
    let model = Model::parse(&mixed.quantized.bytes).expect("a model");
    assert_engine_agrees(&model, &pictures(3, 4));
    let mut arena = vec![0; model.header().arena_bytes as usize];
    deja_firmware::embedder::check_golden(&model, &mut arena).expect("what the engine computes");
}

#[test]
fn a_network_that_int8_suits_stays_byte_for_byte() {
    let [auto, none] = [Int16::Auto, Int16::None].map(|int16| ship(lopsided(1.0), int16).expect("a model"));
    assert!(auto.widening.is_none());
    assert_eq!(auto.quantized.bytes, none.quantized.bytes);
}

#[test]
fn layers_are_named_and_those_that_cannot_refused() {
    let names = ["stem".to_owned(), "sum".to_owned()];
    let shipped = ship(lopsided(1.0), Int16::Layers(&names)).expect("a model");
    let widening = shipped.widening.expect("layers of 16 bits");
    assert_eq!((widening.reason, widening.layers.len()), (Reason::Asked, 2));
    assert!(shipped.quantized.plan.bytes > widening.int8_arena_bytes);
    for name in ["head", "nobody"] {
        let error = ship(lopsided(1.0), Int16::Layers(&[name.to_owned()])).expect_err("no such layer").to_string();
        assert!(error.contains(name) && error.contains("stem, down, "), "{error}");
    }
}

/// All that can have 16 bits get them: every operator, and a float network followed more closely.
fn follows_closely(graph: &Graph) {
    let (pixels, fresh) = (pictures(16, 31), pictures(4, 32));
    let settings = Settings::plain();
    let int8 = quantize(graph, &pixels, &settings, &Silent).expect("a model");
    let names: Vec<String> = int8.placed().candidates().map(|(name, _)| name.to_owned()).collect();
    let bounds = int8.bounds(&pixels, &Silent).expect("bounds");
    let wide = int8.widened((&names, &bounds), &pixels, &settings, &Silent).expect("a model");
    assert!(names.len() * 2 > int8.lowered.layers.len(), "{names:?}");
    let [before, after] = [&int8, &wide].map(|model| compare(model, &fresh, &Silent).expect("it runs"));
    assert!(1.0 - after.mean_cosine < 0.9 * (1.0 - before.mean_cosine), "{before:#?} {after:#?}");
    let model = Model::parse(&wide.bytes).expect("a model");
    assert_engine_agrees(&model, &fresh);
    let layers = model.layers().filter(|layer| model.is_wide(layer));
    assert!(layers.count() >= names.len());
}

fn sketch(middle: impl FnOnce(&mut Builder, NodeId) -> NodeId) -> Graph {
    let mut b = Builder::new(INPUT, 5);
    let input = b.input();
    let x = b.convolution("stem", input, 8, Filter { kernel: 3, stride: 4, padding: 1 });
    let x = b.norm_and_activation("stem", x, None);
    let embedding = middle(&mut b, x);
    awake(b.finish("sketch".into(), embedding, embedding), 6)
}

#[test]
fn whole_networks_of_16_bits() {
    follows_closely(&shallow(33));
    follows_closely(&awake(by_name("osnet_x0.25", INPUT, 16, 3).expect("a known name"), 3));
}

#[test]
fn slopes_parts_and_embeddings_of_16_bits() {
    follows_closely(&sketch(|b, x| {
        let bent = b.prelu("prelu", x);
        let wide = b.concat("concat", &[x, bent]);
        let wide = b.max_pool("max", wide, Filter { kernel: 2, stride: 1, padding: 0 });
        let mean = b.average_pool("mean", wide, 2, 2);
        let pooled = b.global_average_pool("pool", mean);
        b.fully_connected("head", pooled, 12)
    }));
    // Widened, where there is no matrix behind it.
    follows_closely(&sketch(|b, x| {
        let x = b.pointwise("last", x, 12);
        b.global_average_pool("pool", x)
    }));
}

/// 16 × 8 × 300 products of weights that are all alike: the integers of what is read must stay smaller.
#[test]
fn a_sum_of_many_products_leaves_less_room() {
    let mut graph = sketch(|b, x| {
        let wide = b.pointwise("wide", x, 300);
        let wide = b.activation("relu", wide, Activation::Relu);
        let flat = b.flatten("flat", wide);
        b.fully_connected("head", flat, 8)
    });
    parameter(&mut graph, "head.weight").iter_mut().for_each(|weight| *weight = weight.signum());
    let (pixels, settings) = (pictures(4, 35), Settings::plain());
    let int8 = quantize(&graph, &pixels, &settings, &Silent).expect("a model");
    let bounds = int8.bounds(&pixels, &Silent).expect("bounds");
    let wide = int8.widened((&["wide".into()], &bounds), &pixels, &settings, &Silent).expect("a model");
    let greatest = wide.lowered.layers[1].layer.wide_high;
    // (2³¹ − 2²⁹)/(38,400 · 128) = 327
    assert!((320..328).contains(&greatest), "{greatest}");
}
