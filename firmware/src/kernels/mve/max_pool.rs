//! The greatest value of each window.

use core::arch::naked_asm;

use crate::kernels::cut::extent;
use crate::kernels::{MaxPool, reference};

/// As [`reference::max_pool`].
pub fn max_pool(arguments: MaxPool<'_>) {
    let MaxPool { input, window, range, output } = arguments;
    let (width, channels) = (extent(output.shape.width), extent(output.shape.channels));
    if input.shape.channels != output.shape.channels || (input.data.len() as u64) < input.shape.len() {
        return reference::max_pool(MaxPool { input, window, range, output });
    }
    let row_bytes = usize::from(input.shape.width) * channels;
    for (i, output_row) in output.data.chunks_exact_mut(width * channels).enumerate() {
        let rows = window.rows(input.shape.height, i);
        for (j, results) in output_row.chunks_exact_mut(channels).enumerate() {
            let columns = window.columns(input.shape.width, j);
            if rows.taps.is_empty() || columns.taps.is_empty() {
                results.fill(range.low);
                continue;
            }
            let greatest = Greatest {
                results: results.as_mut_ptr(),
                values: input.data.as_ptr().wrapping_add(rows.start * row_bytes + columns.start * channels),
                channels,
                row_bytes,
                rows: rows.taps.len(),
                columns: columns.taps.len(),
                low: range.low.into(),
                high: range.high.into(),
            };
            // SAFETY: the overlap's rows and columns lie on the input.
            unsafe { find(&greatest) };
        }
    }
}

/// What [`find`] reads into r0 to r7.
#[repr(C)]
struct Greatest {
    results: *mut i8,
    values: *const i8,
    channels: usize,
    row_bytes: usize,
    rows: usize,
    columns: usize,
    low: i32,
    high: i32,
}

/// # Safety
/// There are as many results, borrowed for writing, as channels, at least one; at least one row of at least one column of
/// values is borrowed.
#[unsafe(naked)]
unsafe extern "C" fn find(_: &Greatest) {
    naked_asm!(
        helium!(),
        "push {{r4-r11, lr}}
        mov r12, r0
        ldm r12, {{r0-r7}}
        mov r11, r2
        vdup.8 q2, r6
        vdup.8 q3, r7
        1:
        vctp.8 r2
        vmov q0, q2
        mov r8, r1
        mov r9, r4
        2:
        mov r10, r8
        dls lr, r5
        3:
        vpst
        vldrbt.u8 q1, [r10]
        add r10, r11
        vmax.s8 q0, q0, q1
        le lr, 3b
        add r8, r3
        subs r9, #1
        bne 2b
        vmin.s8 q0, q0, q3
        vpst
        vstrbt.8 q0, [r0], #16
        add r1, #16
        subs r2, #16
        bgt 1b
        pop {{r4-r11, pc}}"
    )
}
