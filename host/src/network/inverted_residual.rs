//! The inverted residual (Sandler 2018, fig. 3), the block that the networks for microcontrollers are built from.

use super::builder::{Builder, Filter};
use super::{Activation, NodeId};

/// Extents of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvertedResidual {
    /// Channels inside the block over those that enter it; 1 leaves the expanding layer out.
    pub expansion: usize,
    /// Channels that leave it.
    pub channels: usize,
    /// Extent of the depthwise filter, odd.
    pub kernel: usize,
    /// Step of the depthwise filter.
    pub stride: usize,
}

impl InvertedResidual {
    /// Pointwise expansion, depthwise filter, linear pointwise projection, and the input added where shapes agree. Such a
    /// block begins as the identity, which shortens the first epochs (Goyal 2017, §5.1).
    pub fn add_to(self, b: &mut Builder, name: &str, from: NodeId) -> NodeId {
        let input = b.shape(from).channels;
        let relu6 = Some(Activation::Relu6);
        let mut x = from;
        if self.expansion > 1 {
            let name = format!("{name}.expand");
            x = b.pointwise(&name, x, input * self.expansion);
            x = b.norm_and_activation(&name, x, relu6);
        }
        let depthwise = format!("{name}.depthwise");
        let filter = Filter { kernel: self.kernel, stride: self.stride, padding: self.kernel / 2 };
        x = b.depthwise(&depthwise, x, filter);
        x = b.norm_and_activation(&depthwise, x, relu6);
        let project = format!("{name}.project");
        x = b.pointwise(&project, x, self.channels);
        x = b.norm_and_activation(&project, x, None);
        if self.stride != 1 || input != self.channels {
            return x;
        }
        b.silence(x);
        b.add(&format!("{name}.add"), from, x)
    }
}
