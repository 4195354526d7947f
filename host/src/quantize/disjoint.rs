//! Proof that no picture both calibrates and evaluates.

use super::QuantizeError;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Pixels (`[n, height, width, 3]` RGB bytes) and what each picture is called.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// As many pictures as names.
    pub pixels: &'a [u8],
    /// One a picture.
    pub names: &'a [String],
}

impl Named<'_> {
    fn hashes(&self) -> impl Iterator<Item = ([u8; 32], &String)> {
        let picture = (self.pixels.len() / self.names.len().max(1)).max(1);
        self.pixels.chunks_exact(picture).map(|pixels| Sha256::digest(pixels).into()).zip(self.names)
    }
}

/// Compares pictures by the SHA-256 of their pixels at the network's input size, so that a copy under another name or in
/// another format without loss is found too.
///
/// # Errors
/// [`QuantizeError::SharedPicture`] names the first that is on both sides.
pub fn check_disjoint(calibration: Named<'_>, evaluation: Named<'_>) -> Result<(), QuantizeError> {
    let calibrates: HashMap<[u8; 32], &String> = calibration.hashes().collect();
    match evaluation.hashes().find_map(|(hash, name)| Some((calibrates.get(&hash)?, name))) {
        Some((calibrates, evaluates)) => {
            Err(QuantizeError::SharedPicture { calibrates: (*calibrates).clone(), evaluates: evaluates.clone() })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_under_another_name_is_found_and_both_are_named() {
        let names = |prefix: &str| (0..3).map(|i| format!("{prefix}{i}.png")).collect::<Vec<_>>();
        let (a, b) = (names("train/"), names("query/"));
        let pixels: Vec<u8> = (0..36).collect();
        let calibration = Named { pixels: &pixels, names: &a };
        let mut others: Vec<u8> = (100..136).collect();
        check_disjoint(calibration, Named { pixels: &others, names: &b }).unwrap();
        others[24..].copy_from_slice(&pixels[12..24]);
        let error = check_disjoint(calibration, Named { pixels: &others, names: &b }).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("train/1.png") && message.contains("query/2.png"), "{message}");
        check_disjoint(calibration, Named { pixels: &[], names: &[] }).unwrap();
    }
}
