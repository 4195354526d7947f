//! An ONNX file as an embedding model, run by tract.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use tract_core::prelude::{DatumType, IntoRunnable, Tensor, TypedRunnableModel, tvec};
use tract_onnx::tract_hir::prelude::InferenceModelExt;

use super::guard::guarded;
use super::source::Source;
use super::{ImportError, Preprocessing};
use crate::evaluation::EmbeddingModel;
use crate::progress::Progress;

/// A network that takes `[batch, 3, height, width]` and gives `[batch, dimension]`.
#[derive(Debug, Clone)]
pub struct OnnxModel {
    plan: Arc<TypedRunnableModel>,
    preprocessing: Preprocessing,
    batch: usize,
    height: usize,
    width: usize,
    dimension: usize,
}

impl OnnxModel {
    /// Reads and prepares a file. A dynamic batch is run as 1; a fixed one is filled up.
    ///
    /// # Errors
    /// All of [`ImportError`] that name a path.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let bytes = std::fs::read(path).map_err(|source| ImportError::Read { path: path.into(), source })?;
        Self::from_bytes(path, &bytes)
    }

    /// Prepares the content of a file that is, or would be, called `path`; weights that it keeps in other files are looked
    /// for beside it.
    ///
    /// # Errors
    /// As [`OnnxModel::open`].
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, ImportError> {
        let Source { proto, model, batch, height, width, .. } = Source::new(path, bytes)?;
        let typed = guarded(path, || model.into_optimized())?;
        let output = guarded(path, || typed.output_fact(0))?;
        let shape = output.shape.as_concrete().map(<[usize]>::to_vec);
        let dimension = match shape.as_deref() {
            Some([rows, rest @ ..]) if *rows == batch && output.datum_type == DatumType::F32 => rest.iter().product(),
            _ => 0,
        };
        if dimension == 0 || shape.is_some_and(|shape| dimension != shape.get(1).copied().unwrap_or(0)) {
            return Err(ImportError::NotAVector { path: path.into(), found: format!("{output:?}") });
        }
        let plan = guarded(path, || typed.into_runnable())?;
        Ok(Self { plan, preprocessing: Preprocessing::of(&proto), batch, height, width, dimension })
    }

    /// How pixels are prepared.
    pub fn preprocessing(&self) -> Preprocessing {
        self.preprocessing
    }

    /// The same network with pixels prepared otherwise than the file's metadata say.
    #[must_use]
    pub fn with_preprocessing(self, preprocessing: Preprocessing) -> Self {
        Self { preprocessing, ..self }
    }

    /// What the network itself gives, not normalized.
    ///
    /// # Shapes
    /// `pixels` `[n, height, width, 3]` RGB bytes, 1 ≤ n ≤ batch → `[n, dimension]`.
    ///
    /// # Errors
    /// [`ImportError::Run`].
    pub fn run(&self, pixels: &[u8]) -> Result<Vec<f32>, ImportError> {
        let refuse = |error: tract_core::prelude::TractError| ImportError::Run { reason: format!("{error:#}") };
        let count = pixels.len() / self.picture_bytes();
        let input = Tensor::from_shape(&[self.batch, 3, self.height, self.width], &self.planes(pixels));
        let outputs = self.plan.run(tvec!(input.map_err(refuse)?.into())).map_err(refuse)?;
        let output = outputs[0].try_as_plain_ram().map_err(refuse)?;
        Ok(output.as_slice::<f32>().map_err(refuse)?[..count * self.dimension].to_vec())
    }

    /// `[n, height, width, 3]` bytes → `[batch, 3, height, width]` floats, zeros behind the last picture.
    fn planes(&self, pixels: &[u8]) -> Vec<f32> {
        let area = self.height * self.width;
        let mut planes = vec![0.0; self.batch * 3 * area];
        for (index, pixel) in pixels.chunks_exact(3).enumerate() {
            let (picture, position) = (index / area, index % area);
            for (channel, value) in self.preprocessing.apply([pixel[0], pixel[1], pixel[2]]).into_iter().enumerate() {
                planes[(picture * 3 + channel) * area + position] = value;
            }
        }
        planes
    }

    fn picture_bytes(&self) -> usize {
        self.height * self.width * 3
    }
}

impl EmbeddingModel for OnnxModel {
    fn input(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(
        &mut self,
        pixels: &[u8],
        progress: &dyn Progress,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        let (picture, [height, width]) = (self.picture_bytes(), self.input());
        if !pixels.len().is_multiple_of(picture) {
            return Err(ImportError::NotWholePictures { bytes: pixels.len(), height, width }.into());
        }
        progress.start("embed (ONNX)", (pixels.len() / picture) as u64);
        let embed = |pictures: &[u8]| {
            if progress.interrupted() {
                return Err(ImportError::Interrupted);
            }
            let mut rows = self.run(pictures)?;
            rows.chunks_exact_mut(self.dimension).for_each(normalize);
            progress.advance((pictures.len() / picture) as u64);
            Ok(rows)
        };
        let rows: Result<Vec<Vec<f32>>, ImportError> = pixels.par_chunks(self.batch * picture).map(embed).collect();
        progress.finish();
        Ok(rows?.concat())
    }
}

/// Divides a row by its length; a zero row stays zero.
fn normalize(row: &mut [f32]) {
    let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|v| *v /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::super::export::export;
    use super::*;
    use crate::network::interpreter;
    use crate::progress::Silent;
    use crate::quantize::fixtures::{INPUT, PICTURE, network, pictures};
    use prost::Message;
    use tract_onnx::pb::{ModelProto, tensor_shape_proto::dimension::Value, type_proto};

    fn open(proto: &ModelProto) -> Result<OnnxModel, ImportError> {
        OnnxModel::from_bytes(Path::new("model.onnx"), &proto.encode_to_vec())
    }

    fn exported(seed: u64) -> ModelProto {
        ModelProto::decode(&*export(&network(seed))).unwrap()
    }

    /// Replaces an extent of the input.
    fn set_extent(proto: &mut ModelProto, axis: usize, value: Value) {
        let input = proto.graph.as_mut().unwrap().input[0].r#type.as_mut().unwrap();
        let Some(type_proto::Value::TensorType(tensor)) = &mut input.value else { panic!("a tensor") };
        tensor.shape.as_mut().unwrap().dim[axis].value = Some(value);
    }

    #[test]
    fn an_exported_file_embeds_as_the_network_does() {
        let graph = network(31);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("net.onnx");
        std::fs::write(&path, export(&graph)).unwrap();
        let mut model = OnnxModel::open(&path).unwrap();
        assert_eq!((model.input(), model.dimension(), model.preprocessing()), (INPUT, 64, Preprocessing::CENTRED));
        let pixels = pictures(3, 31);
        let rows = model.embed(&pixels, &Silent).unwrap();
        for (picture, row) in pixels.chunks_exact(PICTURE).zip(rows.chunks_exact(64)) {
            let mut expected = interpreter::run(&graph, picture).swap_remove(graph.embedding.0);
            normalize(&mut expected);
            assert!(row.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
        }
        assert!(model.embed(&pixels[1..], &Silent).unwrap_err().to_string().contains("64x32"));
    }

    #[test]
    fn a_fixed_batch_is_filled_up_and_cut() {
        let mut proto = exported(32);
        let mut single = open(&proto).unwrap();
        set_extent(&mut proto, 0, Value::DimValue(4));
        let mut batched = open(&proto).unwrap();
        let pixels = pictures(6, 32);
        let (a, b) = (single.embed(&pixels, &Silent).unwrap(), batched.embed(&pixels, &Silent).unwrap());
        assert_eq!((a.len(), b.len()), (6 * 64, 6 * 64));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn without_our_metadata_pixels_are_prepared_as_for_imagenet() {
        let mut proto = exported(33);
        proto.metadata_props.clear();
        let model = open(&proto).unwrap();
        assert_eq!(model.preprocessing(), Preprocessing::imagenet());
        assert_eq!(model.with_preprocessing(Preprocessing::CENTRED).preprocessing(), Preprocessing::CENTRED);
    }

    #[test]
    fn what_is_no_embedding_model_is_refused_with_the_reason() {
        let mut dynamic = exported(34);
        set_extent(&mut dynamic, 2, Value::DimParam("H".into()));
        let message = open(&dynamic).unwrap_err().to_string();
        assert!(message.contains("fixed height and width") && message.contains("model.onnx"), "{message}");
        let mut gray = exported(34);
        set_extent(&mut gray, 1, Value::DimValue(1));
        assert!(matches!(open(&gray), Err(ImportError::NotAPicture { .. })));
        let mut two = exported(34);
        let graph = two.graph.as_mut().unwrap();
        graph.input.push(tract_onnx::pb::ValueInfoProto { name: "second".into(), ..graph.input[0].clone() });
        assert!(matches!(open(&two), Err(ImportError::Ends { inputs: 2, .. })));
        let mut map = exported(34);
        let graph = map.graph.as_mut().unwrap();
        graph.output[0].name = "stem".into();
        assert!(matches!(open(&map), Err(ImportError::NotAVector { .. })));
        let mut unknown = exported(34);
        unknown.graph.as_mut().unwrap().node[3].op_type = "Wish".into();
        assert!(open(&unknown).unwrap_err().to_string().contains("Wish"));
    }

    #[test]
    fn damaged_files_are_errors() {
        let path = Path::new("damaged.onnx");
        let bytes = export(&network(35));
        for len in [0, 1, 40, bytes.len() / 2, bytes.len() - 1] {
            let error = OnnxModel::from_bytes(path, &bytes[..len]).unwrap_err();
            assert!(error.to_string().contains("damaged.onnx"), "{error}");
        }
        assert!(OnnxModel::from_bytes(path, b"\x89PNG not a network at all").is_err());
        assert!(matches!(OnnxModel::open(Path::new("/nowhere/net.onnx")), Err(ImportError::Read { .. })));
    }
}
