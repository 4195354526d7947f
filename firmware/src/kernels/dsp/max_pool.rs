//! The greatest value of each window.

use core::arch::naked_asm;

use deja_shared::tensor::View;

use super::clamp::clamp;
use super::plane::LANES;
use crate::kernels::cut::extent;
use crate::kernels::{MaxPool, Window, reference};

/// Greatest extents of a window that are served here.
const SIDE: u8 = 3;

/// `y[i,j,c] = clamp(max x[i·s−p+u, j·s−p+v, c])` over the positions that lie on the input, four channels at a time.
///
/// For windows of at most 3×3 and at least four channels; others go to the reference. Where less of a window lies on the
/// input, some of its rows and columns are taken twice, which changes no maximum.
pub fn max_pool(arguments: MaxPool<'_>) {
    let MaxPool { input, window, range, output } = arguments;
    let (width, channels) = (usize::from(output.shape.width), usize::from(output.shape.channels));
    let fits = input.shape.channels == output.shape.channels && input.data.len() as u64 == input.shape.len();
    if !fits || channels < LANES || window.kernel_height > SIDE || window.kernel_width > SIDE || width == 0 {
        return reference::max_pool(MaxPool { input, window, range, output });
    }
    for (i, results) in output.data.chunks_exact_mut(extent(width * channels)).enumerate() {
        row(input, window, i, results);
    }
    clamp(output.data, range);
}

/// The row number `i` of the output, run by run: of the windows that lie on the input as far as columns go, and alone each
/// of those that do not.
fn row(input: View<'_>, window: Window, i: usize, results: &mut [i8]) {
    let (channels, input_width) = (usize::from(input.shape.channels), usize::from(input.shape.width));
    let (kernel_width, stride) = (usize::from(window.kernel_width), usize::from(window.stride));
    let rows = window.rows(input.shape.height, i);
    let whole = (input_width + usize::from(window.padding_left))
        .checked_sub(kernel_width)
        .map_or(0, |last| last / extent(stride) + 1);
    let width = results.len() / channels;
    let mut j = 0;
    while j < width {
        let columns = window.columns(input.shape.width, j);
        let run = if columns.taps.len() == kernel_width { whole.min(width) - j } else { 1 };
        let target = results.as_mut_ptr().wrapping_add(j * channels);
        j += run;
        if rows.taps.is_empty() || columns.taps.is_empty() {
            // SAFETY: a position of the results.
            unsafe { target.write_bytes(i8::MIN as u8, channels) };
            continue;
        }
        let place = |number: usize| {
            let place = (rows.start + number.min(rows.taps.len() - 1)) * input_width + columns.start;
            input.data.as_ptr().wrapping_add(place * channels)
        };
        let step = |number: usize| number.min(columns.taps.len() - 1) * channels;
        // The last four channels may have been among the ones before.
        for (first, words) in [(0, channels / LANES), (channels - LANES, usize::from(channels % LANES != 0))] {
            let frame = Frame {
                steps: [step(1), step(2)],
                target: target.wrapping_add(first),
                positions: run,
                source_skip: (stride * channels).wrapping_sub(words * LANES),
                target_skip: channels - words * LANES,
            };
            let [a, b, c] = [place(0), place(1), place(2)].map(|row| row.wrapping_add(first));
            if words > 0 {
                // SAFETY: rows and steps lie on the input for all positions of the run, and that many words of channels
                // follow, as in the results.
                unsafe { greatest(a, b, c, words, frame) };
            }
        }
    }
}

/// r7 the greater one of r7 and r8, byte by byte: SSUB8 notes where the difference is not negative, SEL chooses.
macro_rules! greater {
    () => {
        "ssub8 r12, r7, r8
         sel r7, r7, r8"
    };
}

/// What [`greatest`] finds on the stack.
#[repr(C)]
struct Frame {
    /// From a row's pointer to its second and third values.
    steps: [usize; 2],
    /// Of the first position.
    target: *mut i8,
    /// How many.
    positions: usize,
    /// From the end of a position's channels that are read to the next window.
    source_skip: usize,
    /// From the end of a position's channels that are written to the next.
    target_skip: usize,
}

/// The greatest of nine values for `words` · 4 channels of each position: of three rows, each at the pointer and at both
/// steps behind it.
///
/// r0–r2 rows, r3 counts down, r4 and r5 steps, r6 target, r9 positions, r10 and r11 skips.
#[unsafe(naked)]
unsafe extern "C" fn greatest(a: *const i8, b: *const i8, c: *const i8, words: usize, frame: Frame) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldrd r4, r5, [sp, #36]",
        "ldrd r6, r9, [sp, #44]",
        "ldrd r10, r11, [sp, #52]",
        "mov lr, r3",
        "2:",
        "ldr r7, [r0, r4]",
        "ldr r8, [r0, r5]",
        greater!(),
        "ldr r8, [r0], #4",
        greater!(),
        "ldr r8, [r1, r4]",
        greater!(),
        "ldr r8, [r1, r5]",
        greater!(),
        "ldr r8, [r1], #4",
        greater!(),
        "ldr r8, [r2, r4]",
        greater!(),
        "ldr r8, [r2, r5]",
        greater!(),
        "ldr r8, [r2], #4",
        greater!(),
        "str r7, [r6], #4",
        "subs r3, r3, #1",
        "bne 2b",
        "mov r3, lr",
        "add r0, r0, r10",
        "add r1, r1, r10",
        "add r2, r2, r10",
        "add r6, r6, r11",
        "subs r9, r9, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
