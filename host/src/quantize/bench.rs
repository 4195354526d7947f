//! How fast this computer embeds with a quantized model.

use super::{Int8Error, Int8Model};
use crate::evaluation::EmbeddingModel;
use crate::network::bench::{Speed, Workload, measure, pixels};
use crate::progress::Silent;

/// Embeds one batch a step, on the threads of the pool that this is called in; the network and the input's extents are
/// those of `model`, whatever `workload` says.
///
/// # Errors
/// A model that does not run.
pub fn embed(model: &Int8Model, workload: &Workload) -> Result<Speed, Int8Error> {
    let [height, width] = model.input();
    let pixels = pixels(workload.batch.max(1) * height * width * 3);
    let mut result = Ok(());
    let speed = measure(workload, model.kernels(), || {
        if let Err(error) = model.embeddings(&pixels, &Silent) {
            result = Err(error);
        }
    });
    result.map(|()| speed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::fixtures::{network, pictures};
    use crate::quantize::{Settings, quantize};

    #[test]
    fn the_speed_of_a_model_is_that_of_its_own_pictures() {
        let quantized = quantize(&network(1), &pictures(2, 1), &Settings::default(), &Silent).expect("a network");
        let model = Int8Model::from_bytes(quantized.bytes).expect("a checked model");
        let workload = Workload { network: String::new(), input: [1, 1], batch: 3, threads: 1, steps: 2 };
        let speed = embed(&model, &workload).expect("a model that runs");
        assert!(speed.images_per_second > 0.0 && speed.batch == 3);
        assert_eq!(speed.kernels, model.kernels());
    }
}
