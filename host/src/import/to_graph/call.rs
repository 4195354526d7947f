//! One ONNX node with its attributes, as the walker's functions read it.

use tract_onnx::pb::{AttributeProto, NodeProto};

use super::obstacle::Obstacle;

/// A node of the file.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a>(pub &'a NodeProto);

impl<'a> Call<'a> {
    /// What it computes.
    pub fn operator(&self) -> &'a str {
        &self.0.op_type
    }

    /// How the node, or else its first output, is called.
    pub fn name(&self) -> &'a str {
        if self.0.name.is_empty() { self.output(0) } else { &self.0.name }
    }

    /// The name of an input; `None` where it is left out.
    pub fn input(&self, index: usize) -> Option<&'a str> {
        self.0.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The name of an output, empty where it is left out.
    pub fn output(&self, index: usize) -> &'a str {
        self.0.output.get(index).map_or("", String::as_str)
    }

    /// An integer attribute.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|attribute| attribute.i)
    }

    /// A real attribute.
    pub fn real(&self, name: &str) -> Option<f64> {
        self.attribute(name).map(|attribute| f64::from(attribute.f))
    }

    /// A list of integers.
    pub fn integers(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.attribute(name).and_then(|attribute| std::str::from_utf8(&attribute.s).ok())
    }

    /// A list of `N` integers that are not negative.
    pub fn counts<const N: usize>(&self, what: &'static str) -> Result<Option<[usize; N]>, Obstacle> {
        let Some(list) = self.integers(what) else { return Ok(None) };
        let counts: Option<Vec<usize>> = list.iter().map(|value| usize::try_from(*value).ok()).collect();
        let setting = || Obstacle::Setting { what, found: format!("{list:?}"), wanted: "that of a window of two axes" };
        counts.and_then(|counts| counts.try_into().ok()).map(Some).ok_or_else(setting)
    }

    /// Refuses an attribute that is neither left out nor `wanted`.
    pub fn only(&self, what: &'static str, wanted: i64, said: &'static str) -> Result<(), Obstacle> {
        match self.integer(what) {
            Some(found) if found != wanted => Err(Obstacle::Setting { what, found: found.to_string(), wanted: said }),
            _ => Ok(()),
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }
}

/// Which of `rank` axes `axis` counts, from the end where it is negative.
pub fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let from_start = if axis < 0 { axis.checked_add(i64::try_from(rank).ok()?)? } else { axis };
    usize::try_from(from_start).ok().filter(|axis| *axis < rank)
}
