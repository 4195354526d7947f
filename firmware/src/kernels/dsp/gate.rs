//! A gate, one factor a channel, as its users read it.

/// Channels that are scaled at once.
pub const LANES: usize = 4;

/// One factor a channel.
#[derive(Clone, Copy)]
pub struct Gate<'a> {
    /// As the gate's tensor has them.
    pub values: &'a [i8],
    /// That tensor's.
    pub zero_point: i8,
}

impl<'a> Gate<'a> {
    /// All factors, in the gate's steps.
    pub fn differences(self) -> impl Iterator<Item = i32> + use<'a> {
        self.values.iter().map(move |&value| i32::from(value) - i32::from(self.zero_point))
    }

    /// Number of channels that [`Gate::fours`] goes through.
    pub fn served(self) -> usize {
        self.values.len() / LANES * LANES
    }

    /// The first one of four channels, with the factors of channels 0 and 2 and of 1 and 3 in a word each.
    pub fn fours(self) -> impl Iterator<Item = (usize, [u32; 2])> + use<'a> {
        let (fours, _) = self.values.as_chunks::<LANES>();
        fours.iter().enumerate().map(move |(number, four)| {
            let [a, b, c, d] = four.map(|value| i16::from(value) - i16::from(self.zero_point));
            (number * LANES, [pair(a, c), pair(b, d)])
        })
    }
}

/// A value twice.
pub fn twice(value: i16) -> u32 {
    pair(value, value)
}

fn pair(lower: i16, upper: i16) -> u32 {
    u32::from(lower as u16) | u32::from(upper as u16) << 16
}
