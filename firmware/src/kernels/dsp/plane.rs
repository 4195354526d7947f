//! Four channels of a part of an activation, widened to 16 bits and with their border: what depthwise kernels read.

use core::arch::naked_asm;
use core::mem::{MaybeUninit, offset_of};

/// Channels that are brought together, since a word of an activation holds them.
pub const LANES: usize = 4;
/// Words in a row of one channel, each with two neighbours.
pub const ROW: usize = 17;
/// Rows of a part.
pub const ROWS: usize = 18;
/// Words from a row to the next one of the same channel.
pub const PITCH: usize = LANES * ROW;

/// What of an activation's rows (or columns) lies under the windows of some outputs in a row.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Rows of padding before.
    pub before: usize,
    /// The activation's row that comes then.
    pub first: usize,
    /// How many of the activation's rows.
    pub inside: usize,
    /// Rows in all, those of padding behind among them.
    pub total: usize,
}

impl Span {
    /// Of `count` rows that begin with row `start` of an activation of `extent` rows which has `padding` rows before it.
    pub fn new(start: usize, count: usize, padding: usize, extent: usize) -> Self {
        let before = padding.saturating_sub(start).min(count);
        let first = (start + before).saturating_sub(padding).min(extent);
        Self { before, first, inside: (count - before).min(extent - first), total: count }
    }
}

/// Rows of four channels: `[row][channel][pair of columns]`, 4.9 KB.
#[repr(C, align(8))]
pub struct Planes([MaybeUninit<u32>; ROWS * PITCH]);

impl Planes {
    /// Without values yet.
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); ROWS * PITCH])
    }

    /// Where the first channel's rows begin.
    pub fn rows(&self) -> *const u32 {
        self.0.as_ptr().cast()
    }

    /// Makes padding of what [`Planes::gather`] leaves as it is, in the spans' rows as far as `words` words.
    pub fn clear(&mut self, rows: &Span, columns: &Span, words: usize, padding: i8) {
        let padding = MaybeUninit::new(twice(padding));
        let inner = rows.before..if columns.inside == 0 { rows.before } else { rows.before + rows.inside };
        for outer in [0..inner.start, inner.end..rows.total] {
            self.0.iter_mut().take(outer.end * PITCH).skip(outer.start * PITCH).for_each(|word| *word = padding);
        }
        let (left, right) = (columns.before / 2, (columns.before + columns.inside).div_ceil(2));
        if left == 0 && right >= words {
            return;
        }
        for row in self.0.chunks_exact_mut(ROW).take(inner.end * LANES).skip(inner.start * LANES) {
            row.iter_mut().take(left).for_each(|word| *word = padding);
            row.iter_mut().take(words).skip(right).for_each(|word| *word = padding);
        }
    }

    /// Brings together what lies under the spans.
    ///
    /// # Safety
    /// `source` points to the first channel of an activation's place (`rows.first`, `columns.first`), whose positions are
    /// `step` bytes apart and rows `width` positions; it has that channel and three more at all places of the spans. These
    /// have at most [`ROWS`] and 2·[`ROW`] in all.
    pub unsafe fn gather(
        &mut self,
        source: *const i8,
        rows: &Span,
        columns: &Span,
        step: usize,
        width: usize,
        padding: i8,
    ) {
        if rows.inside == 0 || columns.inside == 0 {
            return;
        }
        let even = columns.before.is_multiple_of(2);
        let left = columns.inside - usize::from(even);
        let (quads, rest) = (left / 4, left % 4);
        let words = 2 * quads + rest / 2;
        let frame = Frame {
            quads,
            rest,
            source_skip: (width - columns.inside) * step,
            target_skip: (PITCH - words) * size_of::<u32>(),
            rows: rows.inside,
            even: even.into(),
            padding: [twice(padding); 2],
        };
        let target = self.0.as_mut_ptr().cast::<u32>().wrapping_add(rows.before * PITCH + columns.before / 2);
        // SAFETY: the source holds what is read, by the conditions above; of every row of the spans, which are no longer
        // than the planes', the words that hold an inner column are written.
        unsafe { gather(source, target, step, 0, frame) };
    }
}

/// A value twice, in 16 bits each.
fn twice(value: i8) -> u32 {
    u32::from(i16::from(value) as u16) * 0x1_0001
}

/// What [`gather`] finds on the stack.
#[repr(C)]
struct Frame {
    /// Positions of a row, but for the one that begins a word where the row does, in fours.
    quads: usize,
    /// And how many are left then.
    rest: usize,
    /// Bytes from a row's end to the next one's beginning.
    source_skip: usize,
    /// Bytes from the last word that is written in a row to the first one in the next.
    target_skip: usize,
    /// How many.
    rows: usize,
    /// Whether a row begins where a word does, and not in the midst of one.
    even: usize,
    /// What waits before a row that begins in the midst of a word, and what comes behind the last: padding twice.
    padding: [u32; 2],
}

const _: () = assert!(offset_of!(Frame, source_skip) == 8 && offset_of!(Frame, even) == 20 && ROW == 17);

/// Writes rows of four channels, two neighbours in a word. What lies half in a word waits for its neighbour.
///
/// r0 source, r1 target, r2 step, r3 counts down, r4 and r5 the value that waits (channels 0 and 2, 1 and 3).
#[unsafe(naked)]
unsafe extern "C" fn gather(source: *const i8, target: *mut u32, step: usize, unused: usize, frame: Frame) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "2:",
        "ldr r3, [sp, #56]",      // even
        "ldrd r4, r5, [sp, #60]", // padding
        "cbz r3, 4f",
        "ldr r12, [r0]",
        "add r0, r0, r2",
        "sxtb16 r4, r12",
        "sxtb16 r5, r12, ror #8",
        "4:",
        "ldr r3, [sp, #36]", // quads
        "cbz r3, 6f",
        "5:",
        "ldr r12, [r0]",
        "sxtb16 r6, r12",
        "sxtb16 r7, r12, ror #8",
        "pkhbt r8, r4, r6, lsl #16",
        "pkhtb r6, r6, r4, asr #16",
        "pkhbt r10, r5, r7, lsl #16",
        "pkhtb r7, r7, r5, asr #16",
        "ldr r12, [r0, r2]",
        "sxtb16 r4, r12",
        "sxtb16 r5, r12, ror #8",
        "ldr r12, [r0, r2, lsl #1]",
        "sxtb16 lr, r12",
        "sxtb16 r12, r12, ror #8",
        "pkhbt r9, r4, lr, lsl #16",
        "pkhtb lr, lr, r4, asr #16",
        "pkhbt r11, r5, r12, lsl #16",
        "pkhtb r12, r12, r5, asr #16",
        "strd r8, r9, [r1], #8",
        "strd r10, r11, [r1, #60]",
        "strd r6, lr, [r1, #128]",
        "strd r7, r12, [r1, #196]",
        "add r0, r0, r2, lsl #1",
        "ldr r12, [r0, r2]",
        "add r0, r0, r2, lsl #1",
        "sxtb16 r4, r12",
        "sxtb16 r5, r12, ror #8",
        "subs r3, r3, #1",
        "bne 5b",
        "6:",
        "ldr r3, [sp, #40]",      // rest
        "ldrd r6, r7, [sp, #60]", // padding
        "cbz r3, 8f",
        "cmp r3, #2",
        "blo 7f",
        "ldr r12, [r0]",
        "sxtb16 r6, r12",
        "sxtb16 r7, r12, ror #8",
        "pkhbt r8, r4, r6, lsl #16",
        "pkhtb r6, r6, r4, asr #16",
        "pkhbt r10, r5, r7, lsl #16",
        "pkhtb r7, r7, r5, asr #16",
        "str r8, [r1], #4",
        "str r10, [r1, #64]",
        "str r6, [r1, #132]",
        "str r7, [r1, #200]",
        "ldr r12, [r0, r2]",
        "add r0, r0, r2, lsl #1",
        "sxtb16 r4, r12",
        "sxtb16 r5, r12, ror #8",
        "ldrd r6, r7, [sp, #60]",
        "subs r3, r3, #2",
        "beq 8f",
        "7:",
        "ldr r12, [r0]",
        "add r0, r0, r2",
        "sxtb16 r6, r12",
        "sxtb16 r7, r12, ror #8",
        "8:",
        "pkhbt r8, r4, r6, lsl #16",
        "pkhtb r6, r6, r4, asr #16",
        "pkhbt r10, r5, r7, lsl #16",
        "pkhtb r7, r7, r5, asr #16",
        "str r8, [r1]",
        "str r10, [r1, #68]",
        "str r6, [r1, #136]",
        "str r7, [r1, #204]",
        "ldrd r8, r9, [sp, #44]", // source_skip, target_skip
        "ldr r10, [sp, #52]",     // rows
        "add r0, r0, r8",
        "add r1, r1, r9",
        "subs r10, r10, #1",
        "str r10, [sp, #52]",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
