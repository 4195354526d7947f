//! Division by the Euclidean length, in all the ways in which files spell it. Embeddings are compared by angle, so it is
//! left out; but only the end of a network may be so.

use super::call::{Call, axis_of};
use super::layout::Axis;
use super::obstacle::{Obstacle, advice};
use super::value::{Part, Value};
use super::walker::Walker;

impl<'a> Walker<'a> {
    /// What lengths are made of: sums of squares, roots, inverses.
    pub fn length(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let value = self.any_value(call, 0)?;
        let part = match (call.operator(), value.part) {
            ("LpNormalization", None) => {
                call.only("p", 2, "2")?;
                let axis = call.integer("axis").unwrap_or(-1);
                let axis = axis_of(axis, value.layout.0.len()).into_iter().collect();
                self.settled(call, 0)?;
                let value = self.over_channels(call, axis)?;
                self.define(call, 0, Value { direction: true, ..value });
                return Ok(());
            }
            ("ReduceL2" | "ReduceSumSquare", None) => {
                let axes = self.reduced_axes(call, value.layout.0.len())?;
                let value = self.over_channels(call, axes)?;
                let part = if call.operator() == "ReduceL2" { Part::Length } else { Part::SquareSum };
                self.define(call, 0, value.in_part(part));
                return Ok(());
            }
            ("ReduceSum", Some(Part::Square)) => Part::SquareSum,
            ("Sqrt", Some(Part::SquareSum)) => Part::Length,
            ("Reciprocal", Some(Part::Length)) => Part::InverseLength,
            (other, _) => return Err(Obstacle::Operator { advice: advice(other) }),
        };
        self.define(call, 0, value.in_part(part));
        Ok(())
    }

    /// x², as the beginning of a length.
    pub fn square(&mut self, call: Call<'a>, at: usize) -> Result<(), Obstacle> {
        let value = self.passed(call, at)?;
        if !self.is_vector(&value) {
            return Err(Obstacle::Product);
        }
        self.define(call, 0, value.in_part(Part::Square));
        Ok(())
    }

    /// x divided by its length.
    pub fn quotient(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let (x, length) = (self.any_value(call, 0)?, self.any_value(call, 1)?);
        if length.part != Some(Part::Length) {
            return Err(Obstacle::Operator { advice: advice(call.operator()) });
        }
        self.normalized(call, &x, &length)
    }

    /// x, of which only the direction matters now; `length` must be its own.
    pub fn normalized(&mut self, call: Call<'a>, x: &Value, length: &Value) -> Result<(), Obstacle> {
        if x.part.is_some() || x.node != length.node || x.affine.is_some() || length.affine.is_some() {
            return Err(Obstacle::Unfinished { part: "a length", whole: "an L2 normalization of the same values" });
        }
        self.define(call, 0, Value { direction: true, ..x.clone() });
        Ok(())
    }

    /// Whether there is one value a channel.
    pub fn is_vector(&self, value: &Value) -> bool {
        let shape = self.nodes[value.node.0].shape;
        shape.height * shape.width == 1
    }

    /// The first input, if it is a vector and `axes` run over all of it.
    fn over_channels(&mut self, call: Call<'a>, axes: Vec<usize>) -> Result<Value, Obstacle> {
        let value = self.passed(call, 0)?;
        let outside = |at: &usize| !axes.contains(at);
        let rest: Vec<usize> = (0..value.layout.0.len()).filter(outside).collect();
        let whole = !rest.iter().any(|at| value.layout.0[*at].contains(&Axis::Channel));
        let batch = axes.iter().any(|at| value.layout.0[*at].contains(&Axis::Batch));
        if self.is_vector(&value) && whole && !batch {
            return Ok(value);
        }
        Err(Obstacle::Layout { found: format!("{:?}", value.layout.lengths(&self.extents(value.node))) })
    }
}
