//! Four templates side by side, as a probe is compared with them.

use deja_shared::embedding::{Components, MAX_DIMENSION};

/// Templates in a [`Quad`].
pub const LANES: usize = 4;
/// Components in a word.
pub const WORD: usize = 4;
/// Words of a template.
pub const WORDS: usize = MAX_DIMENSION / WORD;
/// What a word's components are combined with, bit by bit.
pub const FLIP: [u8; WORD] = [0x80, 0, 0x80, 0];

/// Four templates, word by word: `[word][lane][component]`.
///
/// A component in an even place has its upper bit inverted ([`FLIP`]): as an unsigned byte it is c + 128. So half a word,
/// taken as 16 bits with their sign, is 256·c₁ + c₀ + 128, and kernels may multiply it as it stands. Where a lane has no
/// component, or is not used, there are zeros; probes have zeros there too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Quad {
    lengths: [i32; LANES],
    words: [[[u8; WORD]; LANES]; WORDS],
}

/// What a search of quads has come upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The number of the quad.
    pub index: usize,
    /// Of each lane, 256·dot − slope·length.
    pub excess: [i32; LANES],
}

impl Quad {
    /// No template.
    pub const EMPTY: Self = Self { lengths: [0; LANES], words: [[[0; WORD]; LANES]; WORDS] };

    /// ⌊16·√norm⌋ of each lane, below 2¹⁵.
    pub fn lengths(&self) -> &[i32; LANES] {
        &self.lengths
    }

    /// The words of all lanes.
    pub fn words(&self) -> &[[[u8; WORD]; LANES]; WORDS] {
        &self.words
    }

    /// The first `dimension` components of the template in a lane.
    pub fn components(&self, lane: usize, dimension: usize) -> Components {
        let bytes = self.words.as_flattened().as_flattened();
        let component = |number| bytes.get(place(lane, number)).map(|&byte| flipped(byte, number) as i8);
        (0..dimension.min(MAX_DIMENSION)).filter_map(component).collect()
    }

    /// Puts a template of this norm into a lane, or none: no components, norm 0.
    pub fn set(&mut self, lane: usize, components: &[i8], norm: u32) {
        self.lengths[lane % LANES] = length(norm);
        let bytes = self.words.as_flattened_mut().as_flattened_mut();
        for number in 0..MAX_DIMENSION {
            if let Some(byte) = bytes.get_mut(place(lane, number)) {
                *byte = components.get(number).map_or(0, |&component| flipped(component as u8, number));
            }
        }
    }
}

/// Where a component lies among the bytes of all words.
fn place(lane: usize, number: usize) -> usize {
    (number / WORD * LANES + lane % LANES) * WORD + number % WORD
}

fn flipped(byte: u8, number: usize) -> u8 {
    byte ^ FLIP[number % WORD]
}

/// ⌊16·√norm⌋ for the norm of an embedding, which is at most 256·127².
fn length(norm: u32) -> i32 {
    (0..15).rev().fold(0, |length, bit| {
        let longer = length | 1 << bit;
        if longer * longer <= (norm << 8) as i32 { longer } else { length }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_word_is_what_it_is_said_to_be() {
        let mut quad = Quad::EMPTY;
        quad.set(1, &[127, -1, -127, 5], 0);
        let [a, b, c, d] = quad.words[0][1];
        assert_eq!(i16::from_le_bytes([a, b]), -256 + 127 + 128);
        assert_eq!(i16::from_le_bytes([c, d]), 256 * 5 - 127 + 128);
    }

    proptest! {
        #[test]
        fn a_template_comes_out_as_it_went_in(
            components in proptest::collection::vec(-127..=127i8, 0..=MAX_DIMENSION),
            norm in 0..=256 * 16_129u32,
            lane in 0..LANES,
        ) {
            let mut quad = Quad::EMPTY;
            quad.set(lane, &components, norm);
            prop_assert_eq!(&quad.components(lane, components.len())[..], components);
            prop_assert_eq!(quad.lengths[lane], (norm << 8).isqrt() as i32);
            quad.set(lane, &[], 0);
            prop_assert_eq!(quad, Quad::EMPTY);
        }
    }
}
