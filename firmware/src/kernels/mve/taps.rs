//! Depthwise filters of 3×3 and 5×5 on a plane, in assembly: two positions of eight channels at a time.
//!
//! Products of 8 bits are made in lanes of 16, where two of them add up without overflow because no weight is −128; each
//! such pair is then widened into sums of 32 bits, even channels and odd ones apart.

use core::arch::naked_asm;

/// What the routines below read and step through.
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

/// Filters of 3×3 at stride 1.
///
/// # Safety
/// The filters are loaded [`Filters`](super::filters::Filters) of this size; the plane has all columns and rows under them, a pair of positions at a
/// time; the results are borrowed for writing.
#[unsafe(naked)]
pub unsafe extern "C" fn three(_: &mut Run) {
    run!(
        "add r1, r0, r11
            add r2, r1, r11",
        concat!(
            neighbours!("r0", ("r3, #8*0", 0), ("r3, #8*1", 1)),
            neighbours!("r1", ("r3, #8*3", 0), ("r3, #8*4", 1)),
            neighbours!("r2", ("r3, #8*6", 0), ("r3, #8*7", 1)),
            two!(1, ("r3, #8*2", "r0", 2), ("r3, #8*5", "r1", 2)),
            single!(1, ("r3, #8*8", "r2", 2)),
        ),
        72,
        "add r0, #32
            add r1, #32
            add r2, #32"
    )
}

/// Filters of 3×3 at stride 2.
///
/// # Safety
/// As [`three`].
#[unsafe(naked)]
pub unsafe extern "C" fn three_by_two(_: &mut Run) {
    run!(
        "add r1, r0, r11
            add r2, r1, r11",
        concat!(
            two!(2, ("r3, #8*0", "r0", 0), ("r3, #8*1", "r0", 1)),
            two!(2, ("r3, #8*2", "r0", 2), ("r3, #8*3", "r1", 0)),
            two!(2, ("r3, #8*4", "r1", 1), ("r3, #8*5", "r1", 2)),
            two!(2, ("r3, #8*6", "r2", 0), ("r3, #8*7", "r2", 1)),
            single!(2, ("r3, #8*8", "r2", 2)),
        ),
        72,
        "add r0, #64
            add r1, #64
            add r2, #64"
    )
}

/// Filters of 5×5 at stride 1.
///
/// # Safety
/// As [`three`].
#[unsafe(naked)]
pub unsafe extern "C" fn five(_: &mut Run) {
    run!(
        "add r1, r0, r11
            add r2, r1, r11
            add r4, r2, r11
            add r5, r4, r11",
        concat!(
            "add r6, r3, #128\n",
            neighbours!("r0", ("r3, #8*0", 0), ("r3, #8*1", 1)),
            neighbours!("r0", ("r3, #8*2", 2), ("r3, #8*3", 3)),
            neighbours!("r1", ("r3, #8*5", 0), ("r3, #8*6", 1)),
            neighbours!("r1", ("r3, #8*7", 2), ("r3, #8*8", 3)),
            neighbours!("r2", ("r3, #8*10", 0), ("r3, #8*11", 1)),
            neighbours!("r2", ("r3, #8*12", 2), ("r3, #8*13", 3)),
            neighbours!("r4", ("r3, #8*15", 0), ("r6, #8*16-128", 1)),
            neighbours!("r4", ("r6, #8*17-128", 2), ("r6, #8*18-128", 3)),
            neighbours!("r5", ("r6, #8*20-128", 0), ("r6, #8*21-128", 1)),
            neighbours!("r5", ("r6, #8*22-128", 2), ("r6, #8*23-128", 3)),
            two!(1, ("r3, #8*4", "r0", 4), ("r3, #8*9", "r1", 4)),
            two!(1, ("r3, #8*14", "r2", 4), ("r6, #8*19-128", "r4", 4)),
            single!(1, ("r6, #8*24-128", "r5", 4)),
        ),
        200,
        "add r0, #32
            add r1, #32
            add r2, #32
            add r4, #32
            add r5, #32"
    )
}

/// Filters of 5×5 at stride 2.
///
/// # Safety
/// As [`three`].
#[unsafe(naked)]
pub unsafe extern "C" fn five_by_two(_: &mut Run) {
    run!(
        "add r1, r0, r11
            add r2, r1, r11
            add r4, r2, r11
            add r5, r4, r11",
        concat!(
            "add r6, r3, #128\n",
            two!(2, ("r3, #8*0", "r0", 0), ("r3, #8*1", "r0", 1)),
            two!(2, ("r3, #8*2", "r0", 2), ("r3, #8*3", "r0", 3)),
            two!(2, ("r3, #8*4", "r0", 4), ("r3, #8*5", "r1", 0)),
            two!(2, ("r3, #8*6", "r1", 1), ("r3, #8*7", "r1", 2)),
            two!(2, ("r3, #8*8", "r1", 3), ("r3, #8*9", "r1", 4)),
            two!(2, ("r3, #8*10", "r2", 0), ("r3, #8*11", "r2", 1)),
            two!(2, ("r3, #8*12", "r2", 2), ("r3, #8*13", "r2", 3)),
            two!(2, ("r3, #8*14", "r2", 4), ("r3, #8*15", "r4", 0)),
            two!(2, ("r6, #8*16-128", "r4", 1), ("r6, #8*17-128", "r4", 2)),
            two!(2, ("r6, #8*18-128", "r4", 3), ("r6, #8*19-128", "r4", 4)),
            two!(2, ("r6, #8*20-128", "r5", 0), ("r6, #8*21-128", "r5", 1)),
            two!(2, ("r6, #8*22-128", "r5", 2), ("r6, #8*23-128", "r5", 3)),
            single!(2, ("r6, #8*24-128", "r5", 4)),
        ),
        200,
        "add r0, #64
            add r1, #64
            add r2, #64
            add r4, #64
            add r5, #64"
    )
}
