//! Dense convolution: a matrix applied to windows that are laid out as rows of taps.

use core::mem::MaybeUninit;

use super::matrix::{Matrix, multiply};
use super::patches::{Patches, ROOM};
use crate::kernels::cut::extent;
use crate::kernels::{Windowed, reference};

/// As [`reference::convolution`], which does it in groups and with windows of more than 4 KB; so much it has on the stack.
// Its buffers are on the stack only while it runs.
#[inline(never)]
pub fn convolution(arguments: Windowed<'_>) {
    let patches = Patches::of(&arguments);
    let is_whole = arguments.input.data.len() as u64 >= arguments.input.shape.len();
    if !is_whole || arguments.groups != 1 || patches.fan_in == 0 || patches.fan_in > ROOM {
        return reference::convolution(arguments);
    }
    let Windowed { parameters, range, output, .. } = arguments;
    let outputs = usize::from(output.shape.channels);
    let mut room = [MaybeUninit::uninit(); ROOM];
    // In pairs, which the matrix takes faster.
    let most = match ROOM / patches.fan_in {
        1 => 1,
        count => count & !1,
    };
    let positions = output.shape.positions() as usize;
    for (number, results) in output.data.chunks_mut(extent(most * outputs)).enumerate() {
        let first = number * most;
        let values = patches.lay_out(first..positions.min(first + most), &mut room);
        multiply(&Matrix { values, fan_in: patches.fan_in, parameters, summand: None, range }, results);
    }
}
