//! The sum of an activation and of another whose channels are scaled.

use super::scale::scale_add;
use crate::kernels::ChannelScaleAdd;

/// As [`crate::kernels::reference::channel_scale_add`].
pub fn channel_scale_add(arguments: ChannelScaleAdd<'_>) {
    let ChannelScaleAdd { map, summand, scale } = arguments;
    scale_add(map, summand, scale);
}
