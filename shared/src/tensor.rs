//! Shapes and borrowed views of activations: NHWC without the batch, channels fastest; values of 8 or of 16 bits.

/// Height, width and channels of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Channels.
    pub channels: u16,
}

impl Shape {
    /// A shape from its three extents.
    pub const fn new(height: u16, width: u16, channels: u16) -> Self {
        Self { height, width, channels }
    }

    /// Number of values: height × width × channels (at most 2⁴⁸; the model reader admits only what fits its arena).
    pub const fn len(self) -> u64 {
        self.positions() as u64 * self.channels as u64
    }

    /// Number of positions: height × width.
    pub const fn positions(self) -> u32 {
        self.height as u32 * self.width as u32
    }

    /// Whether there is no value at all.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// How many bits each value of an activation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Width {
    /// An int8.
    #[default]
    Eight,
    /// An int16 within [`crate::quant::INT16`], little-endian, on any boundary.
    Sixteen,
}

impl Width {
    /// Bytes that a value takes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Sixteen => 2,
        }
    }
}

/// A borrowed activation; `data.len() == shape.len()`, or twice that where values have 16 bits ([`Values`] reads those).
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Extents.
    pub shape: Shape,
    /// Values, channels fastest.
    pub data: &'a [i8],
}

/// A borrowed activation to be written; `data` as long as [`View`]'s.
#[derive(Debug)]
pub struct ViewMut<'a> {
    /// Extents.
    pub shape: Shape,
    /// Values, channels fastest.
    pub data: &'a mut [i8],
}

/// Values of either width.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Of 8 bits.
    Eight(&'a [i8]),
    /// Of 16 bits, little-endian.
    Sixteen(&'a [[u8; 2]]),
}

impl<'a> Values<'a> {
    /// The values in `bytes`; none where they are not whole ones.
    pub fn new(bytes: &'a [i8], width: Width) -> Self {
        match width {
            Width::Eight => Self::Eight(bytes),
            Width::Sixteen => Self::Sixteen(bytemuck::try_cast_slice(bytes).unwrap_or_default()),
        }
    }

    /// How many there are.
    pub const fn len(self) -> usize {
        match self {
            Self::Eight(values) => values.len(),
            Self::Sixteen(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value number `index`; 0 where there are fewer.
    // Not inlined, nor is what writes one: layers that read 16 bits are few, so here code counts more than speed.
    #[inline(never)]
    pub fn get(self, index: usize) -> i32 {
        match self {
            Self::Eight(values) => values.get(index).map_or(0, |&value| value.into()),
            Self::Sixteen(values) => values.get(index).map_or(0, |&value| i16::from_le_bytes(value).into()),
        }
    }

    /// All of them in order.
    pub fn iter(self) -> impl Iterator<Item = i32> + use<'a> {
        (0..self.len()).map(move |index| self.get(index))
    }
}

/// Values of either width to be written.
#[derive(Debug)]
pub enum ValuesMut<'a> {
    /// Of 8 bits.
    Eight(&'a mut [i8]),
    /// Of 16 bits, little-endian.
    Sixteen(&'a mut [[u8; 2]]),
}

impl<'a> ValuesMut<'a> {
    /// The values in `bytes`; none where they are not whole ones.
    pub fn new(bytes: &'a mut [i8], width: Width) -> Self {
        match width {
            Width::Eight => Self::Eight(bytes),
            Width::Sixteen => Self::Sixteen(bytemuck::try_cast_slice_mut(bytes).unwrap_or_default()),
        }
    }

    /// The same to be read.
    pub fn values(&self) -> Values<'_> {
        match self {
            Self::Eight(values) => Values::Eight(values),
            Self::Sixteen(values) => Values::Sixteen(values),
        }
    }

    /// Writes value number `index`, which lies within the bounds of its width; nothing where there are fewer.
    #[inline(never)]
    pub fn set(&mut self, index: usize, value: i32) {
        match self {
            Self::Eight(values) => {
                if let Some(place) = values.get_mut(index) {
                    *place = value as i8;
                }
            }
            Self::Sixteen(values) => {
                if let Some(place) = values.get_mut(index) {
                    *place = (value as i16).to_le_bytes();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_16_bits_are_little_endian_on_any_boundary() {
        let mut bytes = [7, 0, 0, 0, 0];
        let mut values = ValuesMut::new(&mut bytes[1..], Width::Sixteen);
        values.set(0, -2);
        values.set(1, 0x1234);
        assert!(values.values().iter().eq([-2, 0x1234]));
        assert_eq!(bytes, [7, -2, -1, 0x34, 0x12]);
        assert!(Values::new(&bytes, Width::Sixteen).is_empty());
        assert!(Values::new(&bytes, Width::Eight).iter().eq([7, -2, -1, 0x34, 0x12]));
        let mut values = ValuesMut::new(&mut bytes, Width::Eight);
        values.set(4, -128);
        assert_eq!((values.values().get(4), values.values().len()), (-128, 5));
    }
}
