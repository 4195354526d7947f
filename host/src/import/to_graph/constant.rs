//! Constants of an ONNX graph: given, or found by tract while it looked for extents.

use std::sync::Arc;

use tract_core::prelude::Tensor;
use tract_onnx::tract_hir::infer::Factoid;

use super::call::Call;
use super::layout::{Extents, Layout};
use super::obstacle::Obstacle;
use super::walker::Walker;

/// Values with their extents.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    pub extents: Vec<usize>,
    pub values: Vec<f64>,
}

impl Constant {
    /// The only value, if there is one only.
    pub fn scalar(&self) -> Option<f64> {
        match self.values[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// One value a channel, as it meets an array of `layout` when both are aligned at their last axis.
    pub fn per_channel(&self, layout: &Layout, extents: &Extents) -> Option<Vec<f64>> {
        let channels = extents.shape.channels;
        if let Some(value) = self.scalar() {
            return Some(vec![value; channels]);
        }
        let rank = layout.0.len();
        let long: Vec<usize> = (0..self.extents.len()).filter(|axis| self.extents[*axis] != 1).collect();
        let [axis] = long[..] else { return None };
        let meets = (axis + rank).checked_sub(self.extents.len())? == layout.channel_axis()?;
        (meets && self.values.len() == channels).then(|| self.values.clone())
    }
}

impl<'a> Walker<'a> {
    /// An input that must be a constant.
    pub fn constant(&self, call: Call<'a>, index: usize, what: &'static str) -> Result<Constant, Obstacle> {
        let tensor = self.tensor(call, index).ok_or(Obstacle::NotConstant { what })?;
        let number = |_| Obstacle::Setting { what, found: format!("{tensor:?}"), wanted: "made of numbers" };
        let numbers = tensor.cast_to::<f64>().map_err(number)?;
        let view = numbers.try_as_plain_ram().map_err(number)?;
        let values = view.as_slice::<f64>().map_err(number)?.to_vec();
        if values.iter().any(|value| value.is_nan()) {
            return Err(Obstacle::NotFinite { what });
        }
        Ok(Constant { extents: tensor.shape().to_vec(), values })
    }

    /// An input of finite values: weights, a bias, statistics.
    pub fn finite(&self, call: Call<'a>, index: usize, what: &'static str) -> Result<Constant, Obstacle> {
        let constant = self.constant(call, index, what)?;
        if constant.values.iter().any(|value| !value.is_finite()) {
            return Err(Obstacle::NotFinite { what });
        }
        Ok(constant)
    }

    /// A constant input of integers; `None` where it is left out.
    pub fn whole_numbers(
        &self,
        call: Call<'a>,
        index: usize,
        what: &'static str,
    ) -> Result<Option<Vec<i64>>, Obstacle> {
        let Some(tensor) = call.input(index).map(|_| self.tensor(call, index)) else { return Ok(None) };
        let tensor = tensor.ok_or(Obstacle::NotConstant { what })?;
        let number = |_| Obstacle::Setting { what, found: format!("{tensor:?}"), wanted: "made of integers" };
        let numbers = tensor.cast_to::<i64>().map_err(number)?;
        Ok(Some(numbers.try_as_plain_ram().map_err(number)?.as_slice::<i64>().map_err(number)?.to_vec()))
    }

    /// The tensor of an input that is constant.
    fn tensor(&self, call: Call<'a>, index: usize) -> Option<Arc<Tensor>> {
        self.known(call.input(index)?)
    }

    /// The tensor behind a name, where that is constant.
    pub fn known(&self, name: &str) -> Option<Arc<Tensor>> {
        if let Some(tensor) = self.constants.get(name) {
            return Some(tensor.clone());
        }
        let outlet = self.source.outlets.get(name)?;
        self.source.model.outlet_fact(*outlet).ok()?.value.concretize()
    }

    /// Computes what tract leaves alone because it is large: weights that are only renamed or transposed.
    pub fn fold(&mut self, call: Call<'a>) {
        let order: Option<Vec<usize>> =
            call.integers("perm").map(|order| order.iter().filter_map(|axis| usize::try_from(*axis).ok()).collect());
        let Some(tensor) = call.input(0).and_then(|name| self.known(name)) else { return };
        let folded = match call.operator() {
            "Identity" => Some(tensor),
            "Transpose" => {
                let order = order.unwrap_or_else(|| (0..tensor.rank()).rev().collect());
                tensor.as_ref().clone().permute_axes(&order).ok().map(Arc::new)
            }
            _ => None,
        };
        if let Some(folded) = folded {
            self.constants.insert(call.output(0), folded);
        }
    }
}
