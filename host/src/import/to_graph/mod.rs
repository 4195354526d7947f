//! An ONNX file as our own graph: tract finds the extents and the constants, node after node becomes one of ours.
//!
//! `walker` holds the growing graph and what each ONNX array is in it (`value`); the other files hold the nodes:
//! `linear` (convolutions, matrices), `affine` (batch norm and constants added or multiplied), `element_wise`
//! (activations, sums, gates), `pools`, `shapes` (everything that moves values without computing), `direction`
//! (division by the length, which an angle does not see). `layout` says in which order an array runs over channels, rows
//! and columns, `window` makes any filter a square one, `finish` takes away what nobody reads.
//!
//! Factors and addends are put off as long as possible: they become part of a layer's weights, and hard sigmoid and
//! hard swish are recognised from their pieces.

mod affine;
mod call;
mod constant;
mod direction;
mod element_wise;
mod finish;
mod layout;
mod linear;
mod obstacle;
mod pools;
mod shapes;
mod value;
mod walker;
mod window;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use obstacle::Obstacle;

use super::guard::guarded;
use super::source::Source;
use super::{ForeignNode, ImportError, Preprocessing};
use crate::network::Graph;
use tract_onnx::tract_hir::prelude::InferenceModelExt;
use walker::Walker;

/// The network in the ONNX file at `path` as a graph of ours that takes RGB bytes; its batch norms are folded.
///
/// `preprocessing` says how the file wants its pixels; without, its metadata do, or else it is ImageNet's way.
/// An L2 normalization at the end is left out, because embeddings are compared by angle.
///
/// # Errors
/// All of [`ImportError`] that name a path; [`ImportError::Node`] says which node no layer of ours computes.
pub fn import(path: &Path, preprocessing: Option<Preprocessing>) -> Result<Graph, ImportError> {
    let bytes = std::fs::read(path).map_err(|source| ImportError::Read { path: path.into(), source })?;
    from_bytes(path, &bytes, preprocessing)
}

/// [`import`] of the content of a file that is, or would be, called `path`.
///
/// # Errors
/// As [`import`].
pub fn from_bytes(path: &Path, bytes: &[u8], preprocessing: Option<Preprocessing>) -> Result<Graph, ImportError> {
    let mut source = Source::new(path, bytes)?;
    guarded(path, || source.model.analyse(false))?;
    let preprocessing = preprocessing.unwrap_or_else(|| Preprocessing::of(&source.proto));
    let graph = source.proto.graph.clone().unwrap_or_default();
    let mut walker = Walker::new(&source, &graph, preprocessing);
    for node in &graph.node {
        walker.visit(node).map_err(|obstacle| {
            let named = Some(&node.name).filter(|name| !name.is_empty()).or(node.output.first());
            let (node_name, operator) = (named.cloned().unwrap_or_default(), node.op_type.clone());
            ImportError::Node(Box::new(ForeignNode { path: path.into(), node: node_name, operator, obstacle }))
        })?;
    }
    let output = graph.output.first().map(|output| &output.name[..]).unwrap_or_default();
    let name = path.file_stem().map_or_else(|| graph.name.clone(), |stem| stem.to_string_lossy().into_owned());
    walker.finish(name, output).map_err(|found| ImportError::NotAVector { path: path.into(), found })
}
