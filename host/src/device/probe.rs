//! Firmware onto a board through a debug probe (probe-rs), where this program was built with the feature `probe`.

use crate::progress::Progress;
use std::path::{Path, PathBuf};

/// Why firmware did not get onto a board.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no such file.
    #[error("{}: no such firmware; build it with `cargo build -p BOARD --target … --profile firmware`", .0.display())]
    NoFile(PathBuf),
    /// Built without the feature.
    #[error("this program cannot use debug probes; build it with `cargo build --release -p deja --features probe`")]
    NotBuilt,
    /// The probe library says no.
    #[cfg(feature = "probe")]
    #[error("cannot reach the chip; is the probe connected and the board powered? `--chip` names the chip")]
    Attach(#[source] probe_rs::Error),
    /// The chip could not be written.
    #[cfg(feature = "probe")]
    #[error("the firmware was not written; is it built for this chip?")]
    Download(#[source] probe_rs::flashing::FileDownloadError),
}

/// Writes the ELF file of a firmware into the chip's flash, verifies it and restarts the chip. `chip` is its name in
/// probe-rs; without it, it is recognized where possible.
///
/// # Errors
/// Every [`ProbeError`].
pub fn flash_firmware(elf: &Path, chip: Option<&str>, progress: &dyn Progress) -> Result<(), ProbeError> {
    if !elf.is_file() {
        return Err(ProbeError::NoFile(elf.to_owned()));
    }
    download(elf, chip, progress)
}

#[cfg(not(feature = "probe"))]
fn download(_: &Path, _: Option<&str>, _: &dyn Progress) -> Result<(), ProbeError> {
    Err(ProbeError::NotBuilt)
}

#[cfg(feature = "probe")]
fn download(elf: &Path, chip: Option<&str>, progress: &dyn Progress) -> Result<(), ProbeError> {
    use probe_rs::config::TargetSelector;
    use probe_rs::flashing::{DownloadOptions, ElfLoader, ElfOptions, FlashProgress, download_file_with_options};
    use probe_rs::{Session, SessionConfig};

    let target = chip.map_or(TargetSelector::Auto, TargetSelector::from);
    let mut session = Session::auto_attach(target, SessionConfig::default()).map_err(ProbeError::Attach)?;
    let mut options = DownloadOptions::new();
    options.verify = true;
    // Models and gallery live in the same flash.
    options.keep_unwritten_bytes = true;
    options.progress = FlashProgress::new(|event| show(&event, progress));
    let outcome = download_file_with_options(&mut session, elf, ElfLoader(ElfOptions::default()), options);
    progress.finish();
    outcome.map_err(ProbeError::Download)?;
    session.core(0).and_then(|mut core| core.reset()).map_err(ProbeError::Attach)
}

#[cfg(feature = "probe")]
fn show(event: &probe_rs::flashing::ProgressEvent, progress: &dyn Progress) {
    use probe_rs::flashing::{ProgressEvent, ProgressOperation};
    match event {
        ProgressEvent::AddProgressBar { operation, total } => {
            let label = match operation {
                ProgressOperation::Fill => "reading flash",
                ProgressOperation::Erase => "erasing flash",
                ProgressOperation::Program => "writing firmware",
                ProgressOperation::Verify => "verifying firmware",
            };
            progress.start(label, total.unwrap_or(0));
        }
        ProgressEvent::Progress { size, .. } => progress.advance(*size),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_missing_file_is_named_before_any_probe_is_touched() {
        let error = flash_firmware(Path::new("none/there.elf"), None, &Silent).unwrap_err();
        assert!(matches!(error, ProbeError::NoFile(_)) && error.to_string().contains("none/there.elf"));
    }

    #[cfg(not(feature = "probe"))]
    #[test]
    fn a_program_without_the_feature_says_how_to_get_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = flash_firmware(file.path(), None, &Silent).unwrap_err();
        assert!(error.to_string().contains("--features probe"));
    }
}
