//! Pictures inside the page.

use base64::Engine as _;
use image::error::{ImageError, ParameterError, ParameterErrorKind};
use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};

/// An RGB picture (`[height, width, 3]` bytes) as a `data:` address for an `<img>`.
///
/// # Errors
/// When `pixels` are not those of a picture of `size`.
pub fn data_uri(pixels: &[u8], size: [usize; 2]) -> Result<String, ImageError> {
    if size[0].checked_mul(size[1]).and_then(|positions| positions.checked_mul(3)) != Some(pixels.len()) {
        return Err(ImageError::Parameter(ParameterError::from_kind(ParameterErrorKind::DimensionMismatch)));
    }
    let side = |extent: usize| u32::try_from(extent).unwrap_or(u32::MAX);
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(pixels, side(size[1]), side(size[0]), ExtendedColorType::Rgb8)?;
    Ok(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_comes_back_from_its_address() {
        let pixels: Vec<u8> = (0..4 * 2 * 3).collect();
        let uri = data_uri(&pixels, [4, 2]).unwrap();
        let encoded = uri.strip_prefix("data:image/png;base64,").unwrap();
        let png = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        let back = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!((back.width(), back.height(), back.into_raw()), (2, 4, pixels));
    }
}
