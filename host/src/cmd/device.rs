//! What the verbs that talk to a camera share: its address, and pictures in the size that it takes.

use super::Context;
use crate::dataset;
use crate::device::{Address, Client, FORMS};
use anyhow::Context as _;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The camera to talk to.
#[derive(Debug, Clone, clap::Args)]
pub struct Device {
    /// Which camera: tcp:HOST:PORT, serial:DEVICE[:BAUD] or sim:[FLASH]
    #[arg(long, value_name = "DEV", long_help = format!("Which camera:\n{FORMS}"))]
    pub device: Address,
}

impl Device {
    /// Connects and greets.
    ///
    /// # Errors
    /// Those of [`Client::connect`].
    pub fn connect(&self, context: &Context) -> anyhow::Result<Client> {
        let client = Client::connect(&self.device)?;
        let camera = client.capabilities();
        tracing::info!(board = %camera.board, firmware = %camera.firmware, "connected");
        if !camera.gallery_fits_model {
            context.warn(
                "the gallery was enrolled with another model than the one that runs; `deja gallery clear` and enroll again, \
                 or flash that model again",
            );
        }
        Ok(client)
    }
}

/// A picture that could not be used.
#[derive(Debug, Serialize)]
pub struct SkippedImage {
    /// Its file.
    pub image: PathBuf,
    /// Why.
    pub reason: String,
}

/// Does `work` with each readable picture, scaled to the camera's model; names and returns the others.
///
/// # Errors
/// When no picture can be read, when the camera has no model, and the errors of `work`.
pub fn each_picture(
    client: &mut Client,
    images: &[PathBuf],
    context: &Context,
    mut work: impl FnMut(&mut Client, &Path, [usize; 2], &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<SkippedImage>> {
    let model = client.model()?;
    let size = [usize::from(model.height), usize::from(model.width)];
    let mut skipped = Vec::new();
    for image in images {
        anyhow::ensure!(!context.progress().interrupted(), "stopped before {}", image.display());
        match dataset::picture(image, size) {
            Ok(pixels) => work(client, image, size, &pixels).with_context(|| image.display().to_string())?,
            Err(error) => {
                let reason = format!("{:#}", anyhow::Error::from(error));
                context.warn(format_args!("skipped: {reason}"));
                skipped.push(SkippedImage { image: image.clone(), reason });
            }
        }
    }
    let readable = images.len() - skipped.len();
    anyhow::ensure!(readable > 0, "none of {} pictures could be read; give JPEG, PNG or BMP files", images.len());
    Ok(skipped)
}
