//! Depthwise filters of 3×3 and 5×5 on a plane, in assembly: two positions of eight channels at a time.
//!
//! Products of 8 bits are made in lanes of 16, where two of them add up without overflow because no weight is −128; each
//! such pair is then widened into sums of 32 bits, even channels and odd ones apart. Here is what all routines share; `three`
//! and `five` hold them.

/// What the routines read and step through.
#[repr(C)]
pub struct Run {
    /// 0: the plane under the first position's filter.
    pub plane: *const i8,
    /// 4: from row to row of the plane.
    pub row_bytes: usize,
    /// 8: from the rows under one row of positions to those under the next.
    pub row_step: usize,
    /// 12: the filters.
    pub filters: *const i8,
    /// 16: the first position's results.
    pub output: *mut i8,
    /// 20: from position to position.
    pub output_step: usize,
    /// 24: from row to row.
    pub output_row_step: usize,
    /// 28: pairs of positions in a row.
    pub pairs: usize,
    /// 32: 1 if one position remains, else 0.
    pub odd: usize,
    /// 36: rows of positions, at least one.
    pub rows: usize,
    /// 40: of the results.
    pub zero_point: i32,
    /// 44: channels.
    pub lanes: usize,
}

/// Even channels of both halves into `q0` and `q2`, odd ones into `q1` and `q3`.
macro_rules! widen {
    () => {
        "vmovlb.s16 q7, q4
        vadd.i32 q0, q0, q7
        vmovlt.s16 q4, q4
        vadd.i32 q1, q1, q4
        vmovlb.s16 q7, q6
        vadd.i32 q2, q2, q7
        vmovlt.s16 q6, q6
        vadd.i32 q3, q3, q6
        "
    };
}

/// The products of one tap, in q4 and q6: weight `$weight`, column `$v` of row `$row`, positions `$stride` columns apart.
macro_rules! first {
    ($stride:literal, $weight:literal, $row:literal, $v:literal) => {
        concat!(
            "vldrb.s16 q5, [",
            $weight,
            "]
            vldrb.s16 q4, [",
            $row,
            ", #16*",
            $v,
            "]
            vldrb.s16 q6, [",
            $row,
            ", #16*(",
            $v,
            "+",
            $stride,
            ")]
            vmul.i16 q4, q4, q5
            vmul.i16 q6, q6, q5
            "
        )
    };
}

/// Those of another tap, added.
macro_rules! second {
    ($stride:literal, $weight:literal, $row:literal, $v:literal) => {
        concat!(
            "vldrb.s16 q5, [",
            $weight,
            "]
            vldrb.s16 q7, [",
            $row,
            ", #16*",
            $v,
            "]
            vmul.i16 q7, q7, q5
            vadd.i16 q4, q4, q7
            vldrb.s16 q7, [",
            $row,
            ", #16*(",
            $v,
            "+",
            $stride,
            ")]
            vmul.i16 q7, q7, q5
            vadd.i16 q6, q6, q7
            "
        )
    };
}

macro_rules! single {
    ($stride:literal, ($w:literal, $r:literal, $v:literal)) => {
        concat!(first!($stride, $w, $r, $v), widen!())
    };
}

macro_rules! two {
    ($stride:literal, ($w:literal, $r:literal, $v:literal), ($w2:literal, $r2:literal, $v2:literal)) => {
        concat!(first!($stride, $w, $r, $v), second!($stride, $w2, $r2, $v2), widen!())
    };
}

/// Two taps side by side at stride 1: the column between them is read once.
macro_rules! neighbours {
    ($row:literal, ($w:literal, $v:literal), ($w2:literal, $v2:literal)) => {
        concat!(
            "vldrb.s16 q7, [",
            $row,
            ", #16*",
            $v2,
            "]
            vldrb.s16 q5, [",
            $w,
            "]
            vldrb.s16 q4, [",
            $row,
            ", #16*",
            $v,
            "]
            vmul.i16 q6, q7, q5
            vmul.i16 q4, q4, q5
            vldrb.s16 q5, [",
            $w2,
            "]
            vmul.i16 q7, q7, q5
            vadd.i16 q4, q4, q7
            vldrb.s16 q7, [",
            $row,
            ", #16*(",
            $v2,
            "+1)]
            vmul.i16 q7, q7, q5
            vadd.i16 q6, q6, q7
            ",
            widen!()
        )
    };
}

/// Row by row, pair by pair: `$begin` makes the other rows' addresses out of r0 and r11, `$taps` the sums, `$constants` is
/// where biases, multipliers and bounds stand behind the weights, `$advance` moves the rows' addresses two positions on.
///
/// An odd last position is made as a pair whose second half is then written over by the first.
macro_rules! run {
    ($begin:literal, $taps:expr, $constants:literal, $advance:literal) => {
        naked_asm!(
            helium!(),
            "push {{r4-r11, lr}}
            vpush {{d8-d15}}
            mov r10, r0
            ldr r3, [r10, #44]
            vctp.16 r3
            ldr r12, [r10, #40]
            ldr r3, [r10, #12]
            1:
            ldrd r0, r11, [r10]",
            $begin,
            "ldr r11, [r10, #8]
            add r11, r0
            str r11, [r10]
            ldrd r7, r9, [r10, #16]
            ldrd r11, lr, [r10, #24]
            add r11, r7
            str r11, [r10, #16]
            ldr r8, [r10, #32]
            wls lr, lr, 3f
            2:",
            concat!("vldrw.32 q0, [r3, #", $constants, "]"),
            concat!("vldrw.32 q1, [r3, #", $constants, "+16]"),
            "vmov q2, q0
            vmov q3, q1",
            $taps,
            concat!("vldrw.32 q4, [r3, #", $constants, "+32]"),
            concat!("vldrw.32 q5, [r3, #", $constants, "+48]"),
            concat!("vldrw.32 q6, [r3, #", $constants, "+64]"),
            concat!("vldrw.32 q7, [r3, #", $constants, "+80]"),
            "vrmulh.s32 q0, q0, q4
            vrmulh.s32 q1, q1, q5
            vrmulh.s32 q2, q2, q4
            vrmulh.s32 q3, q3, q5
            vqmovnb.s32 q0, q0
            vqmovnb.s32 q2, q2
            vqmovnt.s32 q0, q1
            vqmovnt.s32 q2, q3
            vqadd.s16 q0, q0, r12
            vqadd.s16 q2, q2, r12
            vmax.s16 q0, q0, q6
            vmax.s16 q2, q2, q6
            vmin.s16 q0, q0, q7
            vmin.s16 q2, q2, q7
            add r6, r7, r9
            vpstt
            vstrbt.16 q2, [r6]
            vstrbt.16 q0, [r7]
            add r7, r7, r9, lsl #1",
            $advance,
            "le lr, 2b
            3:
            cmp r8, #0
            beq 4f
            mov r9, #0
            mov r8, #0
            mov lr, #1
            b 2b
            4:
            ldr r11, [r10, #36]
            subs r11, #1
            str r11, [r10, #36]
            bne 1b
            vpop {{d8-d15}}
            pop {{r4-r11, pc}}"
        )
    };
}

// Behind the macros, which they use.
mod five;
mod three;

pub use five::{five, five_by_two};
pub use three::{three, three_by_two};
