//! An ONNX file as it is read: decoded, checked, and with a fixed batch in tract's hands.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use prost::Message;
use tract_core::internal::DimLike;
use tract_core::prelude::{DatumType, OutletId};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, TensorProto, tensor_proto::DataLocation, tensor_proto::DataType, type_proto,
};
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::prelude::{InferenceFact, InferenceModel};

use super::ImportError;
use super::guard::guarded;

/// A file with one picture input.
pub(super) struct Source {
    pub proto: ModelProto,
    /// Not yet analysed; its input has the extents below.
    pub model: InferenceModel,
    /// Where tract keeps each array.
    pub outlets: HashMap<String, OutletId>,
    /// 1 where the file leaves it open.
    pub batch: usize,
    pub height: usize,
    pub width: usize,
}

impl Source {
    /// Decodes and checks the content of the file at `path`, beside which weights may lie that it keeps elsewhere.
    pub fn new(path: &Path, bytes: &[u8]) -> Result<Self, ImportError> {
        let proto = ModelProto::decode(bytes)
            .map_err(|error| ImportError::Onnx { path: path.into(), reason: error.to_string() })?;
        let graph = proto.graph.as_ref();
        let graph = graph.ok_or_else(|| ImportError::Onnx { path: path.into(), reason: "it holds no graph".into() })?;
        check_arrays(path, graph)?;
        check_names(path, graph)?;
        // What exporters note of arrays in between may contradict the batch that is set below.
        let onnx = tract_onnx::onnx().with_ignore_value_info(true);
        let directory = path.parent().and_then(Path::to_str);
        let parsed = guarded(path, || onnx.parse(&proto, directory))?;
        let mut model = parsed.model;
        let [batch, height, width] = picture_input(path, &model)?;
        let fact = InferenceFact::dt_shape(DatumType::F32, [batch, 3, height, width]);
        guarded(path, || model.set_input_fact(0, fact))?;
        Ok(Self { model, outlets: parsed.outlets_by_name, batch, height, width, proto })
    }
}

/// Batch, height and width of the one input.
fn picture_input(path: &Path, model: &InferenceModel) -> Result<[usize; 3], ImportError> {
    let inputs = model.input_outlets().unwrap_or_default();
    let outputs = model.output_outlets().unwrap_or_default().len();
    let [input] = inputs else {
        return Err(ImportError::Ends { path: path.into(), inputs: inputs.len(), outputs });
    };
    if outputs == 0 {
        return Err(ImportError::Ends { path: path.into(), inputs: 1, outputs });
    }
    let fact = model.outlet_fact(*input).cloned().unwrap_or_default();
    let found = fact.format_dt_shape();
    let float = fact.datum_type.concretize().is_none_or(|kind| kind == DatumType::F32);
    let dims: Vec<Option<usize>> =
        fact.shape.dims().map(|dim| dim.concretize().and_then(|dim| dim.to_usize().ok())).collect();
    match dims[..] {
        [batch, Some(3), Some(height), Some(width)] if float && height * width > 0 && batch != Some(0) => {
            Ok([batch.unwrap_or(1), height, width])
        }
        [_, Some(3), _, _] if float => Err(ImportError::DynamicSize { path: path.into(), found }),
        _ => Err(ImportError::NotAPicture { path: path.into(), found }),
    }
}

/// Refuses constants that are 16-bit floats, of types without numbers, or in files that are not there.
fn check_arrays(path: &Path, graph: &GraphProto) -> Result<(), ImportError> {
    let attributes =
        graph.node.iter().flat_map(|node| node.attribute.iter().filter_map(|a: &AttributeProto| a.t.as_ref()));
    for tensor in graph.initializer.iter().chain(attributes) {
        check_type(path, &tensor.name, tensor.data_type)?;
        check_external(path, tensor)?;
    }
    for info in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
        if let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
            check_type(path, &info.name, tensor.elem_type)?;
        }
    }
    Ok(())
}

fn check_type(path: &Path, array: &str, kind: i32) -> Result<(), ImportError> {
    let known = [DataType::Float, DataType::Double, DataType::Int64, DataType::Int32, DataType::Bool];
    let bytes = [DataType::Int8, DataType::Uint8];
    match DataType::try_from(kind) {
        Ok(kind @ (DataType::Float16 | DataType::Bfloat16)) => {
            Err(ImportError::HalfFloat { path: path.into(), array: array.into(), kind: kind.as_str_name() })
        }
        // An output may say nothing of its type.
        Ok(kind) if known.contains(&kind) || bytes.contains(&kind) || kind == DataType::Undefined => Ok(()),
        Ok(kind) => {
            let reason = format!("its array `{array}` holds {}, but networks hold FLOAT", kind.as_str_name());
            Err(ImportError::Onnx { path: path.into(), reason })
        }
        Err(_) => {
            let reason = format!("its array `{array}` is of an unknown type ({kind})");
            Err(ImportError::Onnx { path: path.into(), reason })
        }
    }
}

fn check_external(path: &Path, tensor: &TensorProto) -> Result<(), ImportError> {
    if tensor.data_location != Some(DataLocation::External.into()) {
        return Ok(());
    }
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &entry.value[..]);
    let file = path.parent().unwrap_or(Path::new("")).join(entry("location").unwrap_or_default());
    let number = |key: &str| entry(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let end = number("offset").saturating_add(number("length"));
    match std::fs::metadata(&file) {
        Ok(found) if found.is_file() && found.len() >= end => Ok(()),
        _ => Err(ImportError::ExternalData { path: path.into(), array: tensor.name.clone(), file }),
    }
}

/// Every array that is read must be given or computed, and each only once.
fn check_names(path: &Path, graph: &GraphProto) -> Result<(), ImportError> {
    let mut known: HashSet<&str> = graph.initializer.iter().map(|tensor| &tensor.name[..]).collect();
    known.extend(graph.input.iter().map(|input| &input.name[..]));
    let undefined = |array: &str, reader: &str| {
        Err(ImportError::Undefined { path: path.into(), array: array.into(), reader: reader.into() })
    };
    for node in &graph.node {
        if let Some(array) = node.input.iter().find(|array| !array.is_empty() && !known.contains(&array[..])) {
            return undefined(array, &format!("node `{}` ({})", node.name, node.op_type));
        }
        known.extend(node.output.iter().filter(|array| !array.is_empty()).map(|array| &array[..]));
    }
    match graph.output.iter().find(|output| !known.contains(&output.name[..])) {
        Some(output) => undefined(&output.name, "the list of outputs"),
        None => Ok(()),
    }
}
