//! What an ONNX array is in terms of the graph that grows: a node, and what was put off.

use super::layout::{Extents, Layout};
use crate::network::NodeId;

/// y = scale·x + shift, one pair a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    pub scale: Vec<f64>,
    pub shift: Vec<f64>,
}

/// Factors and addends this close to 1 and 0 come from constants such as ⅙ in f32.
const NEGLIGIBLE: f64 = 1e-6;

impl Affine {
    /// The same for all channels.
    pub fn uniform(channels: usize, scale: f64, shift: f64) -> Self {
        Self { scale: vec![scale; channels], shift: vec![shift; channels] }
    }

    /// `next` behind this.
    pub fn then(mut self, next: &Self) -> Self {
        for ((scale, shift), (a, b)) in
            self.scale.iter_mut().zip(&mut self.shift).zip(next.scale.iter().zip(&next.shift))
        {
            *scale *= a;
            *shift = *shift * a + b;
        }
        self
    }

    /// Scale and shift, if all channels have the same.
    pub fn as_uniform(&self) -> Option<(f64, f64)> {
        let (scale, shift) = (*self.scale.first()?, *self.shift.first()?);
        let same = self.scale.iter().all(|s| *s == scale) && self.shift.iter().all(|s| *s == shift);
        same.then_some((scale, shift))
    }

    fn is_identity(&self) -> bool {
        let near = |values: &[f64], wanted: f64| values.iter().all(|value| (value - wanted).abs() < NEGLIGIBLE);
        near(&self.scale, 1.0) && near(&self.shift, 0.0)
    }
}

/// A value that is part of a pattern which no node of ours stands for until it is complete.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// max(x, floor), of a generalized mean.
    Floor(f64),
    /// max(x, floor)ᵖ, or its mean over rows and columns.
    Power { floor: f64, exponent: f64, mean: bool },
    /// The mean over rows, or over columns.
    HalfMean,
    /// x².
    Square,
    /// Σ x² over the embedding.
    SquareSum,
    /// √Σ x², or what keeps it from being 0.
    Length,
    /// 1/√Σ x².
    InverseLength,
    /// A gate repeated at every position.
    Spread,
}

/// An ONNX array that depends on the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Whose values it holds, but for what follows.
    pub node: NodeId,
    /// In which order.
    pub layout: Layout,
    /// Scaled and shifted afterwards.
    pub affine: Option<Affine>,
    /// With zeros around: above, left, below, right.
    pub padding: [usize; 4],
    /// Whether no other array stands for the node, so that it may be changed.
    pub sole: bool,
    /// Whether only the direction matters, because it was divided by its length.
    pub direction: bool,
    /// Whether it is unfinished.
    pub part: Option<Part>,
}

impl Value {
    /// The node itself.
    pub fn of(node: NodeId, layout: Layout) -> Self {
        Self { node, layout, affine: None, padding: [0; 4], sole: true, direction: false, part: None }
    }

    /// The node itself as `[batch, channels, rows, columns]`.
    pub fn map(node: NodeId, extents: &Extents) -> Self {
        Self::of(node, Layout::map(extents))
    }

    /// With `affine` behind what is put off already.
    pub fn then(mut self, affine: Affine) -> Self {
        let all = match self.affine.take() {
            Some(before) => before.then(&affine),
            None => affine,
        };
        self.affine = Some(all).filter(|affine| !affine.is_identity());
        self
    }

    /// The same as part of a pattern.
    pub fn in_part(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affine_maps_follow_each_other_and_vanish_when_they_undo_each_other() {
        let value = Value::of(NodeId(1), Layout(vec![]));
        let value = value.then(Affine { scale: vec![2.0, 4.0], shift: vec![1.0, 0.0] });
        let value = value.then(Affine::uniform(2, 3.0, -1.0));
        assert_eq!(value.affine, Some(Affine { scale: vec![6.0, 12.0], shift: vec![2.0, -1.0] }));
        assert_eq!(value.affine.as_ref().and_then(Affine::as_uniform), None);
        let sixth = f64::from(1.0_f32 / 6.0);
        let value = Value::of(NodeId(1), Layout(vec![])).then(Affine::uniform(2, 6.0, 3.0));
        assert_eq!(value.clone().then(Affine::uniform(2, sixth, -3.0 * sixth)).affine, None);
        assert_eq!(value.affine.and_then(|affine| affine.as_uniform()), Some((6.0, 3.0)));
    }
}
