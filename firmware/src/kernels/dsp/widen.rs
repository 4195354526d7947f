//! Taps brought from bytes into pairs of 16 bits, and copied, in assembly.

use core::arch::naked_asm;

/// Widens fours of taps of four rows into `[pair of taps][row]`.
///
/// # Safety
/// `rows` points to that many taps each; `to` has 32 bytes for each four, on a boundary of 4, borrowed for writing; at
/// least one four.
#[unsafe(naked)]
pub unsafe extern "C" fn four_rows(_to: *mut u32, _rows: &[*const i8; 4], _fours: usize) {
    naked_asm!(
        "push {{r4-r11, lr}}
        mov r3, r2
        ldm r1, {{r1, r4, r5, r6}}
        1:
        ldr r7, [r1], #4
        ldr r10, [r4], #4
        sxtb16 r8, r7
        sxtb16 r9, r7, ror #8
        sxtb16 r11, r10
        sxtb16 r12, r10, ror #8
        pkhbt r7, r8, r9, lsl #16
        pkhtb r8, r9, r8, asr #16
        pkhbt r10, r11, r12, lsl #16
        pkhtb r11, r12, r11, asr #16
        strd r7, r10, [r0], #16
        strd r8, r11, [r0], #-8
        ldr r7, [r5], #4
        ldr r10, [r6], #4
        sxtb16 r8, r7
        sxtb16 r9, r7, ror #8
        sxtb16 r11, r10
        sxtb16 r12, r10, ror #8
        pkhbt r7, r8, r9, lsl #16
        pkhtb r8, r9, r8, asr #16
        pkhbt r10, r11, r12, lsl #16
        pkhtb r11, r12, r11, asr #16
        strd r7, r10, [r0], #16
        strd r8, r11, [r0], #8
        subs r3, #1
        bne 1b
        pop {{r4-r11, pc}}"
    )
}

/// Widens fours of taps of one row.
///
/// # Safety
/// As [`four_rows`], for one row.
#[unsafe(naked)]
pub unsafe extern "C" fn one_row(_to: *mut u32, _row: *const i8, _fours: usize) {
    naked_asm!(
        "push {{r4, lr}}
        1:
        ldr r3, [r1], #4
        sxtb16 r4, r3
        sxtb16 r12, r3, ror #8
        pkhbt r3, r4, r12, lsl #16
        pkhtb r4, r12, r4, asr #16
        strd r3, r4, [r0], #8
        subs r2, #1
        bne 1b
        pop {{r4, pc}}"
    )
}

/// Four taps of two windows, from `$row` and `$next` and `$at` on, into two pairs of taps each.
macro_rules! two_pairs {
    ($row:literal, $next:literal, $at:literal, $to:literal, $and:literal) => {
        concat!(
            "ldr r6, [",
            $row,
            ", #",
            $at,
            "]\n",
            "ldr r7, [",
            $next,
            ", #",
            $at,
            "]\n",
            "sxtb16 r11, r6\n",
            "sxtb16 r6, r6, ror #8\n",
            "sxtb16 r12, r7\n",
            "sxtb16 r7, r7, ror #8\n",
            "pkhbt lr, r11, r6, lsl #16\n",
            "pkhtb r6, r6, r11, asr #16\n",
            "pkhbt r11, r12, r7, lsl #16\n",
            "pkhtb r7, r7, r12, asr #16\n",
            "strd lr, r11, [r0, #",
            $to,
            "]\n",
            "strd r6, r7, [r0, #",
            $and,
            "]\n",
        )
    };
}

/// Widens four windows of three rows of nine taps, which is 3×3 of three channels, into `[pair of taps][window]`.
///
/// # Safety
/// From `from` on are borrowed three steps, two rows and nine bytes; at `to`, for writing, 224 bytes on a boundary of 4.
#[unsafe(naked)]
#[rustfmt::skip]
pub unsafe extern "C" fn four_windows(_to: *mut u32, _from: *const i8, _row: usize, _step: usize) {
    naked_asm!(
        // Two windows at a time: their rows from r1, r4, r5 and from r8, r9, r10 on.
        "push {{r4-r11, lr}}
        add r4, r1, r2
        add r5, r4, r2
        add r8, r1, r3
        add r9, r4, r3
        add r10, r5, r3
        lsl r3, #1
        mov r2, #2
        1:",
        two_pairs!("r1", "r8", "0", "0", "16"),
        two_pairs!("r1", "r8", "4", "32", "48"),
        "ldrsb r6, [r1, #8]
        ldrsb r7, [r8, #8]
        ldrsb r11, [r4]
        ldrsb r12, [r9]
        pkhbt r6, r6, r11, lsl #16
        pkhbt r7, r7, r12, lsl #16
        strd r6, r7, [r0, #64]",
        two_pairs!("r4", "r9", "1", "80", "96"),
        two_pairs!("r4", "r9", "5", "112", "128"),
        two_pairs!("r5", "r10", "0", "144", "160"),
        two_pairs!("r5", "r10", "4", "176", "192"),
        // The weights of the taps beside them are zeros.
        "ldrsb r6, [r5, #8]
        ldrsb r7, [r10, #8]
        strd r6, r7, [r0, #208]
        add r1, r3
        add r4, r3
        add r5, r3
        add r8, r3
        add r9, r3
        add r10, r3
        adds r0, #8
        subs r2, #1
        bne 1b
        pop {{r4-r11, pc}}"
    )
}

/// Parts of rows, as many bytes of each.
#[repr(C)]
pub struct Runs {
    /// 0: bytes of a row, at least one.
    pub len: usize,
    /// 4: rows, at least one.
    pub count: usize,
    /// 8: bytes from row to row where they go.
    pub to_step: usize,
    /// 12: bytes from row to row where they lie.
    pub from_step: usize,
}

/// Copies parts of rows.
///
/// # Safety
/// The bytes of all runs are borrowed on both sides, those at `to` for writing.
#[unsafe(naked)]
pub unsafe extern "C" fn copy(_to: *mut i8, _from: *const i8, _runs: &Runs) {
    naked_asm!(
        "push {{r4-r7, lr}}
        ldm r2, {{r2-r5}}
        subs r2, #4
        blo 3f
        subs r4, r4, r2
        subs r5, r5, r2
        // Words, the last of which may overlap the one before it.
        1:
        adds r6, r1, r2
        adds r7, r0, r2
        2:
        ldr r12, [r1], #4
        str r12, [r0], #4
        cmp r1, r6
        blo 2b
        ldr r12, [r6]
        str r12, [r7]
        adds r1, r6, r5
        adds r0, r7, r4
        subs r3, #1
        bne 1b
        pop {{r4-r7, pc}}
        // Up to three bytes.
        3:
        adds r6, r2, #3
        4:
        ldrb r12, [r1, r6]
        strb r12, [r0, r6]
        subs r6, #1
        bpl 4b
        add r1, r5
        add r0, r4
        subs r3, #1
        bne 3b
        pop {{r4-r7, pc}}"
    )
}
