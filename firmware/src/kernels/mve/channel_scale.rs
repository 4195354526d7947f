//! An activation whose channels are scaled.

use super::scale::scale;
use crate::kernels::ChannelScale;

/// As [`crate::kernels::reference::channel_scale`].
pub fn channel_scale(arguments: ChannelScale<'_>) {
    scale(arguments);
}
