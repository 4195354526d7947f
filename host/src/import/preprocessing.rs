//! How a picture's bytes become what a network from elsewhere expects.

use std::str::FromStr;

use tract_onnx::pb::{ModelProto, StringStringEntryProto};

use super::export::{PREPROCESSING_KEY, PREPROCESSING_VALUE};

/// Mean of red, green and blue over ImageNet, as fractions of 255.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Their standard deviations.
const IMAGENET_DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// What stands before the choices that [`Preprocessing::from_str`] knows where blue comes first.
const BLUE_FIRST: &str = "bgr:";

/// x\[c\] = pixel\[c\]·scale\[c\] + shift\[c\] for the network's channel c.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocessing {
    /// Per channel of the network's input.
    pub scale: [f32; 3],
    /// Per channel of the network's input.
    pub shift: [f32; 3],
    /// Whether the network's channels are blue, green, red instead of red, green, blue.
    pub blue_first: bool,
}

/// The text is no way of preparing pixels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` says not how pixels are prepared: give imagenet, unit (0..1), signed (-1..1), raw (0..255), deja, or means and \
     deviations of red, green and blue as fractions of 255, such as 0.485,0.456,0.406/0.229,0.224,0.225; bgr: before it \
     for a network that takes blue first"
)]
pub struct NotPreprocessing {
    /// What was given.
    pub text: String,
}

impl Preprocessing {
    /// (pixel − 128)/64, as our networks do.
    pub const CENTRED: Self = Self { scale: [1.0 / 64.0; 3], shift: [-2.0; 3], blue_first: false };
    /// The bytes themselves.
    const RAW: Self = Self { scale: [1.0; 3], shift: [0.0; 3], blue_first: false };

    /// (pixel/255 − mean)/deviation, in the network's order of channels.
    pub fn standardized(mean: [f32; 3], deviation: [f32; 3]) -> Self {
        Self {
            scale: std::array::from_fn(|c| 1.0 / (255.0 * deviation[c])),
            shift: std::array::from_fn(|c| -mean[c] / deviation[c]),
            blue_first: false,
        }
    }

    /// [`Preprocessing::standardized`] with the statistics of ImageNet, as re-identification networks from elsewhere do.
    pub fn imagenet() -> Self {
        Self::standardized(IMAGENET_MEAN, IMAGENET_DEVIATION)
    }

    /// What the file's metadata say (see [`PREPROCESSING_KEY`]), else ImageNet's.
    pub fn of(proto: &ModelProto) -> Self {
        let ours =
            |entry: &StringStringEntryProto| entry.key == PREPROCESSING_KEY && entry.value == PREPROCESSING_VALUE;
        if proto.metadata_props.iter().any(ours) { Self::CENTRED } else { Self::imagenet() }
    }

    /// Which of a pixel's red, green and blue is the network's channel `c`.
    pub fn source(&self, c: usize) -> usize {
        if self.blue_first { 2 - c } else { c }
    }

    /// The network's three values from a pixel's red, green and blue.
    pub fn apply(&self, pixel: [u8; 3]) -> [f32; 3] {
        std::array::from_fn(|c| f32::from(pixel[self.source(c)]) * self.scale[c] + self.shift[c])
    }
}

impl FromStr for Preprocessing {
    type Err = NotPreprocessing;

    fn from_str(text: &str) -> Result<Self, NotPreprocessing> {
        let refuse = || NotPreprocessing { text: text.into() };
        let (blue_first, kind) = text.strip_prefix(BLUE_FIRST).map_or((false, text), |kind| (true, kind));
        let preprocessing = match kind {
            "imagenet" if blue_first => Self::standardized(reversed(IMAGENET_MEAN), reversed(IMAGENET_DEVIATION)),
            "imagenet" => Self::imagenet(),
            "unit" => Self::standardized([0.0; 3], [1.0; 3]),
            "signed" => Self::standardized([0.5; 3], [0.5; 3]),
            "raw" => Self::RAW,
            "deja" => Self::CENTRED,
            _ => {
                let (mean, deviation) = kind.split_once('/').ok_or_else(refuse)?;
                let [mean, deviation] = [three(mean).ok_or_else(refuse)?, three(deviation).ok_or_else(refuse)?];
                if deviation.iter().any(|value| *value <= 0.0) {
                    return Err(refuse());
                }
                let in_order = |values| if blue_first { reversed(values) } else { values };
                Self::standardized(in_order(mean), in_order(deviation))
            }
        };
        Ok(Self { blue_first, ..preprocessing })
    }
}

fn reversed([red, green, blue]: [f32; 3]) -> [f32; 3] {
    [blue, green, red]
}

/// Three finite numbers between commas.
fn three(text: &str) -> Option<[f32; 3]> {
    let numbers: Option<Vec<f32>> =
        text.split(',').map(|part| part.trim().parse().ok().filter(|value: &f32| value.is_finite())).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str, pixel: [u8; 3]) -> [f32; 3] {
        text.parse::<Preprocessing>().unwrap().apply(pixel)
    }

    #[test]
    fn every_way_is_what_it_says() {
        let near = |got: [f32; 3], want: [f32; 3]| got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near(apply("imagenet", [255, 0, 0]), [2.2489, -2.0357, -1.8044]));
        assert!(near(apply("bgr:imagenet", [255, 0, 0]), [-1.8044, -2.0357, 2.2489]));
        assert!(near(apply("unit", [0, 51, 255]), [0.0, 0.2, 1.0]));
        assert!(near(apply("signed", [0, 255, 255]), [-1.0, 1.0, 1.0]));
        assert_eq!(apply("bgr:raw", [1, 2, 3]), [3.0, 2.0, 1.0]);
        assert_eq!(apply("deja", [128, 0, 255]), [0.0, -2.0, 1.984375]);
        assert!(near(apply("bgr:0.5,0.4,0.3/0.2,0.25,0.5", [255, 0, 255]), [1.4, -1.6, 2.5]));
    }

    #[test]
    fn other_texts_are_answered_with_the_choices() {
        for text in ["", "vgg", "0.5/0.5", "0,0,0/0,1,1", "1,2,3", "0,0,nan/1,1,1", "bgr:"] {
            let error = text.parse::<Preprocessing>().unwrap_err().to_string();
            assert!(error.contains("imagenet") && error.contains(text), "{error}");
        }
    }
}
