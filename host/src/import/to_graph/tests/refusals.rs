//! Files that are no embedding network of ours, each named with its node and what to do.

use std::path::Path;

use prost::Message;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{ModelProto, StringStringEntryProto, type_proto};

use super::super::from_bytes;
use super::net::Net;
use crate::import::ImportError;
use crate::import::proto::{integer, integers, text};

/// Fixes an extent of the input.
pub fn set_extent(proto: &mut ModelProto, axis: usize, value: i64) {
    let input = proto.graph.as_mut().unwrap().input[0].r#type.as_mut().unwrap();
    let Some(type_proto::Value::TensorType(tensor)) = &mut input.value else { panic!("a tensor") };
    let extent = if value > 0 { Value::DimValue(value) } else { Value::DimParam("any".into()) };
    tensor.shape.as_mut().unwrap().dim[axis].value = Some(extent);
}

fn refused(model: &ModelProto) -> String {
    from_bytes(Path::new("net.onnx"), &model.encode_to_vec(), None).unwrap_err().to_string()
}

fn plain() -> ModelProto {
    let mut net = Net::new();
    let x = net.stem(8);
    let embedding = net.head(&x, 8);
    net.model(&embedding, 11)
}

/// What is said of a file of a stem, `middle` and a head.
fn said(middle: impl Fn(&mut Net, &str) -> String) -> String {
    let mut net = Net::new();
    let x = net.stem(8);
    let x = middle(&mut net, &x);
    let embedding = net.head(&x, 8);
    refused(&net.model(&embedding, 11))
}

#[test]
fn operators_without_a_layer_are_named_with_their_node_and_a_way_out() {
    let message = said(|net, x| {
        let [scale, bias] = [(); 2].map(|()| net.random(&[8], 0.5, 1.5));
        net.add("InstanceNormalization", &[x, &scale, &bias], vec![])
    });
    assert!(message.contains("`InstanceNormalization.1`") && message.contains("batch norm"), "{message}");
    let message = said(|net, x| net.add("Tanh", &[x], vec![]));
    assert!(message.contains("(Tanh)") && message.contains("hard swish"), "{message}");
    let message = said(|net, x| {
        let gate = net.add("Sigmoid", &[x], vec![]);
        net.add("Mul", &[x, &gate], vec![])
    });
    assert!(message.contains("SiLU"), "{message}");
}

#[test]
fn windows_that_are_none_of_ours_are_refused() {
    let message = said(|net, x| net.convolution(x, [8, 8, 3, 3], vec![integers("strides", &[2, 1])]));
    assert!(message.contains("one step"), "{message}");
    let message = said(|net, x| {
        let shape = vec![integers("kernel_shape", &[2, 2]), integers("pads", &[0, 0, 1, 1])];
        net.add("MaxPool", &[x], shape)
    });
    assert!(message.contains("MaxPool") && message.contains("padding all around"), "{message}");
    let message = said(|net, x| {
        let pads = net.whole(&[0, 0, 1, 1, 0, 0, 1, 1]);
        let x = net.add("Pad", &[x, &pads], vec![text("mode", "reflect")]);
        net.convolution(&x, [8, 8, 3, 3], vec![])
    });
    assert!(message.contains("reflect") || message.contains("mode"), "{message}");
    let message = said(|net, x| {
        let shape = vec![integers("kernel_shape", &[3, 3]), integers("pads", &[1; 4])];
        net.add("AveragePool", &[x], shape)
    });
    assert!(message.contains("count_include_pad"), "{message}");
}

#[test]
fn weights_that_are_computed_and_values_that_meet_nowhere_are_refused() {
    let message = said(|net, x| {
        let weight = net.add("Concat", &[x, x], vec![integer("axis", 1)]);
        net.add("Conv", &[x, &weight], vec![])
    });
    assert!(message.contains("Conv") || message.contains("net.onnx"), "{message}");
    let message = said(|net, x| {
        let map = net.random(&[1, 8, 10, 6], 0.5, 1.0);
        net.add("Mul", &[x, &map], vec![])
    });
    assert!(message.contains("channel by channel"), "{message}");
    let message = said(|net, x| {
        let pooled = net.add("GlobalAveragePool", &[x], vec![]);
        net.add("Add", &[x, &pooled], vec![])
    });
    assert!(message.contains("neither value by value"), "{message}");
}

#[test]
fn only_the_end_may_be_normalized_and_patterns_must_be_complete() {
    let mut net = Net::new();
    let x = net.stem(8);
    let x = net.head(&x, 8);
    let x = net.add("LpNormalization", &[&x], vec![integer("axis", 1)]);
    let matrix = net.random(&[6, 4], -1.0, 1.0);
    let x = net.add("MatMul", &[&x, &matrix], vec![]);
    let message = refused(&net.model(&x, 11));
    assert!(message.contains("divided by their length"), "{message}");
    let message = said(|net, x| {
        let (least, p) = (net.number(1e-6), net.number(3.0));
        let x = net.add("Clip", &[x, &least], vec![]);
        let x = net.add("Pow", &[&x, &p], vec![]);
        net.add("Relu", &[&x], vec![])
    });
    assert!(message.contains("generalized-mean"), "{message}");
}

#[test]
fn pictures_and_vectors_must_be_what_they_are() {
    let mut model = plain();
    set_extent(&mut model, 2, 0);
    assert!(refused(&model).contains("fixed height and width"));
    let mut model = plain();
    set_extent(&mut model, 1, 1);
    assert!(refused(&model).contains("float pictures"));
    let mut net = Net::new();
    let x = net.stem(8);
    assert!(refused(&net.model(&x, 11)).contains("float vectors"));
    let mut net = Net::new();
    let x = net.stem(8);
    let x = net.add("Flatten", &[&x], vec![]);
    assert!(refused(&net.model(&x, 11)).contains("10x6x8"));
    let constant = {
        let mut net = Net::new();
        let x = net.stem(8);
        net.head(&x, 8);
        let fixed = net.random(&[1, 6], 0.0, 1.0);
        net.model(&fixed, 11)
    };
    assert!(refused(&constant).contains("does not depend on the picture"));
}

#[test]
fn half_floats_external_files_and_gaps_are_named() {
    let mut model = plain();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    tensor.data_type = DataType::Float16.into();
    let message = refused(&model);
    assert!(message.contains("array.0") && message.contains("32 bits"), "{message}");
    let mut model = plain();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[1];
    tensor.data_location = Some(DataLocation::External.into());
    tensor.raw_data.clear();
    let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
    tensor.external_data = vec![entry("location", "nowhere.bin"), entry("length", "32")];
    let message = refused(&model);
    assert!(message.contains("array.1") && message.contains("nowhere.bin"), "{message}");
    let mut model = plain();
    model.graph.as_mut().unwrap().node.remove(0);
    assert!(refused(&model).contains("which no node before it computes"));
    let mut model = plain();
    model.graph.as_mut().unwrap().output[0].name = "ghost".into();
    assert!(refused(&model).contains("`ghost`"));
    let mut model = plain();
    model.graph = None;
    assert!(refused(&model).contains("no graph"));
    let mut model = plain();
    model.graph.as_mut().unwrap().initializer[0].data_type = DataType::String.into();
    assert!(refused(&model).contains("STRING"));
}

#[test]
fn weights_in_another_file_are_found_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut model = plain();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    std::fs::write(directory.path().join("weights.bin"), &tensor.raw_data).unwrap();
    let whole = from_bytes(Path::new("net.onnx"), &plain().encode_to_vec(), None).unwrap();
    tensor.raw_data.clear();
    tensor.data_location = Some(DataLocation::External.into());
    tensor.external_data = vec![StringStringEntryProto { key: "location".into(), value: "weights.bin".into() }];
    let path = directory.path().join("net.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    assert_eq!(super::super::import(&path, None).unwrap(), whole);
}

#[test]
fn damaged_numbers_and_files_are_errors() {
    let mut model = plain();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    tensor.raw_data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(refused(&model).contains("finite"));
    let bytes = plain().encode_to_vec();
    for len in (0..bytes.len()).step_by(97) {
        assert!(from_bytes(Path::new("net.onnx"), &bytes[..len], None).is_err());
    }
    let missing = super::super::import(Path::new("/nowhere/net.onnx"), None);
    assert!(matches!(missing, Err(ImportError::Read { .. })));
}
