//! Channels side by side: copies between rows of different widths, and the nodes that need them.

use super::builder::Builder;
use super::{NodeId, Operator, Shape};

/// Where some neighbouring channels stand in rows of `width` channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    /// Channels of a row.
    pub width: usize,
    /// The first of them.
    pub start: usize,
}

/// Copies `count` channels of every row from one place to another, or adds them where it accumulates.
pub(crate) fn copy_channels(
    count: usize,
    (source, from): (&[f32], Columns),
    (target, to): (&mut [f32], Columns),
    accumulate: bool,
) {
    for (source, target) in source.chunks_exact(from.width).zip(target.chunks_exact_mut(to.width)) {
        let (source, target) = (&source[from.start..][..count], &mut target[to.start..][..count]);
        if accumulate {
            target.iter_mut().zip(source).for_each(|(sum, value)| *sum += value);
        } else {
            target.copy_from_slice(source);
        }
    }
}

impl Builder {
    /// The channels of `inputs`, which have the same rows and columns, one behind the other.
    ///
    /// # Panics
    /// If there is no input.
    pub fn concat(&mut self, name: &str, inputs: &[NodeId]) -> NodeId {
        let channels = inputs.iter().map(|input| self.shape(*input).channels).sum();
        let shape = Shape { channels, ..self.shape(inputs[0]) };
        self.node(name, Operator::Concat, inputs, shape)
    }

    /// `channels` channels of `from`, the first of which is its `start`-th.
    pub fn slice(&mut self, name: &str, from: NodeId, start: usize, channels: usize) -> NodeId {
        let shape = Shape { channels, ..self.shape(from) };
        self.node(name, Operator::Slice { start }, &[from], shape)
    }

    /// A map as one vector, channels fastest.
    pub fn flatten(&mut self, name: &str, from: NodeId) -> NodeId {
        let shape = Shape::new(1, 1, self.shape(from).len());
        self.node(name, Operator::Flatten, &[from], shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_go_to_their_columns_or_onto_them() {
        let (wide, narrow) = (Columns { width: 3, start: 1 }, Columns { width: 2, start: 0 });
        let mut target = [0.0; 6];
        copy_channels(2, (&[1.0, 2.0, 3.0, 4.0], narrow), (&mut target, wide), false);
        assert_eq!(target, [0.0, 1.0, 2.0, 0.0, 3.0, 4.0]);
        copy_channels(2, (&[1.0, 2.0, 3.0, 4.0], narrow), (&mut target, wide), true);
        assert_eq!(target, [0.0, 2.0, 4.0, 0.0, 6.0, 8.0]);
        let mut back = [0.0; 4];
        copy_channels(1, (&target, Columns { width: 3, start: 2 }), (&mut back, narrow), false);
        assert_eq!(back, [4.0, 0.0, 8.0, 0.0]);
    }
}
