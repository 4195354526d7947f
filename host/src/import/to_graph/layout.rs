//! Which of our axes an ONNX array's axes are, so that flattening and transposing need no copies.

use crate::network::Shape;

/// An axis of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    Batch,
    Channel,
    Row,
    Column,
}

/// How long each axis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extents {
    pub batch: usize,
    pub shape: Shape,
}

impl Extents {
    pub fn of(&self, axis: Axis) -> usize {
        match axis {
            Axis::Batch => self.batch,
            Axis::Channel => self.shape.channels,
            Axis::Row => self.shape.height,
            Axis::Column => self.shape.width,
        }
    }
}

/// For each axis of the ONNX array, the axes of the activation that it runs over, the slowest first. Axes of extent 1
/// are nowhere: where they stand makes no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout(pub Vec<Vec<Axis>>);

impl Layout {
    /// `[batch, channels, rows, columns]`
    pub fn map(extents: &Extents) -> Self {
        let axes = [Axis::Batch, Axis::Channel, Axis::Row, Axis::Column];
        Self(axes.map(|axis| if extents.of(axis) > 1 { vec![axis] } else { vec![] }).into())
    }

    /// Whether this is `[batch, channels, rows, columns]`.
    pub fn is_map(&self, extents: &Extents) -> bool {
        *self == Self::map(extents)
    }

    /// The lengths of the ONNX array's axes.
    pub fn lengths(&self, extents: &Extents) -> Vec<usize> {
        self.0.iter().map(|group| group.iter().map(|axis| extents.of(*axis)).product()).collect()
    }

    /// The same values in the same order with axes of other `lengths`; `None` if one of our axes would be torn apart.
    pub fn reshape(&self, extents: &Extents, lengths: &[usize]) -> Option<Self> {
        let mut axes = self.0.iter().flatten().copied();
        let mut groups = Vec::with_capacity(lengths.len());
        for &length in lengths {
            let (mut group, mut product) = (vec![], 1);
            while product < length {
                let axis = axes.next()?;
                product *= extents.of(axis);
                group.push(axis);
            }
            if product != length {
                return None;
            }
            groups.push(group);
        }
        axes.next().is_none().then_some(Self(groups))
    }

    /// Axis i of the result is axis `order[i]`; `None` if `order` is no permutation.
    pub fn transpose(&self, order: &[usize]) -> Option<Self> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        let groups = || order.iter().map(|axis| self.0[*axis].clone()).collect();
        sorted.into_iter().eq(0..self.0.len()).then(|| Self(groups()))
    }

    /// With `axis` gone, because it has become 1 long.
    pub fn without(&self, gone: &[Axis]) -> Self {
        let keep = |group: &Vec<Axis>| group.iter().copied().filter(|axis| !gone.contains(axis)).collect();
        Self(self.0.iter().map(keep).collect())
    }

    /// Which axis of the ONNX array runs over the channels and nothing else.
    pub fn channel_axis(&self) -> Option<usize> {
        self.0.iter().position(|group| group[..] == [Axis::Channel])
    }

    /// The place among `[rows, columns, channels]` of each index of the axes in `group`.
    pub fn places(group: &[Axis], extents: &Extents) -> Vec<usize> {
        let Shape { width, channels, .. } = extents.shape;
        let mut places = vec![0];
        for axis in group {
            let step = match axis {
                Axis::Batch => 0,
                Axis::Channel => 1,
                Axis::Column => channels,
                Axis::Row => width * channels,
            };
            places = places.iter().flat_map(|place| (0..extents.of(*axis)).map(move |at| place + at * step)).collect();
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Axis::{Batch, Channel, Column, Row};

    const EXTENTS: Extents = Extents { batch: 1, shape: Shape::new(2, 3, 4) };

    #[test]
    fn axes_merge_and_part_again_but_are_not_torn() {
        let map = Layout::map(&EXTENTS);
        let flat = map.reshape(&EXTENTS, &[1, 24]).unwrap();
        assert_eq!(flat, Layout(vec![vec![], vec![Channel, Row, Column]]));
        assert_eq!(flat.reshape(&EXTENTS, &[1, 4, 2, 3]), Some(map.clone()));
        assert_eq!(map.reshape(&EXTENTS, &[1, 4, 6]).unwrap().0[2], [Row, Column]);
        assert_eq!(map.reshape(&EXTENTS, &[1, 2, 2, 2, 3]), None);
        assert_eq!(map.reshape(&EXTENTS, &[1, 4]), None);
        assert_eq!(map.reshape(&EXTENTS, &[1, 24, 2]), None);
        assert_eq!(map.channel_axis(), Some(1));
        let batch = Extents { batch: 2, ..EXTENTS };
        assert_eq!(Layout::map(&batch).reshape(&batch, &[2, 24]).unwrap().0, [vec![Batch], vec![Channel, Row, Column]]);
    }

    #[test]
    fn places_follow_the_order_of_the_axes() {
        let extents = Extents { batch: 1, shape: Shape::new(1, 2, 3) };
        let flat = Layout::map(&extents).reshape(&extents, &[6]).unwrap();
        assert_eq!(Layout::places(&flat.0[0], &extents), [0, 3, 1, 4, 2, 5]);
        let moved = Layout::map(&extents).transpose(&[0, 2, 3, 1]).unwrap();
        let flat = moved.reshape(&extents, &[6]).unwrap();
        assert_eq!(Layout::places(&flat.0[0], &extents), [0, 1, 2, 3, 4, 5]);
        assert_eq!(moved.transpose(&[0, 1, 1, 2]), None);
    }
}
