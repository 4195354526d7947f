//! Four filters on rows of taps, in assembly: 16 taps an instruction, sums in the general registers.
//!
//! `VMLADAVA.S8` multiplies 16 bytes by 16 bytes and adds all products to a general register with an even number. Two
//! positions times four outputs make eight sums, which are all that there are: r0 to r12 and lr. So the loops over pairs
//! of positions count down in an odd register, and all else lies in a frame on the stack.

use core::arch::naked_asm;

/// What the routines below read, at the offsets in their comments.
#[repr(C, align(8))]
pub struct Block {
    /// 0: of the four outputs.
    pub biases: [i32; 4],
    /// 16: whole vectors of 16 taps in a row.
    pub steps: usize,
    /// 20: the weights of two pairs of outputs.
    pub filters: [*const i8; 2],
    /// 28: from the end of the whole vectors of a row to the row after next.
    pub advance: isize,
    /// 32: of the results.
    pub zero_point: i32,
    /// 36: bytes from the results of one position to those of the next.
    pub output_step: usize,
    /// 40: where the rows end that are taken in pairs.
    pub end: *const i8,
    /// 44: 64 bytes: the weights of the taps behind the whole vectors, then zeros, for each pair of outputs.
    pub rest: *const i8,
    /// 48: 2⁸·zero point of a first summand.
    pub summand_offset: i32,
    /// 52: its multiplier.
    pub summand_multiplier: i32,
    /// 56: taps behind the whole vectors.
    pub rest_taps: usize,
    /// 60: rows, for [`small`].
    pub count: usize,
    /// 64: of the four outputs.
    pub multipliers: [i32; 4],
    /// 80: least result.
    pub low: i32,
    /// 84: greatest result.
    pub high: i32,
    /// 88: a row of taps.
    pub values: *const i8,
    /// 92: the next one.
    pub next_values: *const i8,
    /// 96: where the four results of the first row go.
    pub output: *mut i8,
    /// 100: bytes from row to row, for [`small`].
    pub values_step: usize,
}

/// Saves registers and copies the first 64 bytes of the block at r0 into a frame. q5: multipliers, q6: low, q7: high,
/// r11 and r3: rows, r1: output. The predicate holds for as many bytes as a row has behind its whole vectors.
macro_rules! enter {
    () => {
        "push {{r4-r11, lr}}
        vpush {{d8-d15}}
        sub sp, #64
        vldrw.32 q0, [r0]
        vldrw.32 q1, [r0, #16]
        vldrw.32 q2, [r0, #32]
        vldrw.32 q3, [r0, #48]
        vstrw.32 q0, [sp]
        vstrw.32 q1, [sp, #16]
        vstrw.32 q2, [sp, #32]
        vstrw.32 q3, [sp, #48]
        vldrw.32 q5, [r0, #64]
        ldrd r1, r3, [r0, #80]
        vdup.32 q6, r1
        vdup.32 q7, r3
        ldr r1, [r0, #56]
        vctp.8 r1
        ldr r1, [r0, #96]
        ldrd r11, r3, [r0, #88]
        "
    };
}

macro_rules! leave {
    () => {
        "add sp, #64
        vpop {{d8-d15}}
        pop {{r4-r11, pc}}
        "
    };
}

/// Four sums of one position out of registers into a vector.
macro_rules! gather {
    ($q:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "vmov ", $q, "[2], ", $q, "[0], ", $a, ", ", $c, "\n", "vmov ", $q, "[3], ", $q, "[1], ", $b, ", ", $d,
            "\n",
        )
    };
}

/// 16 taps of two positions, in q2 and q3, times the filters of two pairs of outputs, from `$first` and `$second`.
macro_rules! multiply {
    ($first:literal, $second:literal) => {
        concat!(
            "vld20.8 {{q0, q1}}, [",
            $first,
            "]
            vld21.8 {{q0, q1}}, [",
            $first,
            "]!
            vmladava.s8 r0, q0, q2
            vmladava.s8 r2, q1, q2
            vmladava.s8 r8, q0, q3
            vmladava.s8 r10, q1, q3
            vld20.8 {{q0, q1}}, [",
            $second,
            "]
            vld21.8 {{q0, q1}}, [",
            $second,
            "]!
            vmladava.s8 r4, q0, q2
            vmladava.s8 r6, q1, q2
            vmladava.s8 r12, q0, q3
            vmladava.s8 lr, q1, q3
            "
        )
    };
}

/// Pairs of rows from the block's until its end; `$rest` for the taps behind the whole vectors, `$results` from q0 and q1.
macro_rules! pairs {
    ($rest:expr, $results:expr) => {
        naked_asm!(
            helium!(),
            enter!(),
            "1:
            ldm sp, {{r0, r2, r4, r6}}
            ldm sp, {{r8, r10, r12, lr}}
            ldr r9, [sp, #16]
            ldrd r5, r7, [sp, #20]
            2:
            vldrb.u8 q2, [r11], #16
            vldrb.u8 q3, [r3], #16",
            multiply!("r5", "r7"),
            "subs r9, #1
            bne 2b",
            $rest,
            gather!("q0", "r0", "r2", "r4", "r6"),
            gather!("q1", "r8", "r10", "r12", "lr"),
            "ldrd r5, r7, [sp, #32]",
            $results,
            "vstrb.32 q0, [r1]
            add r1, r7
            vstrb.32 q1, [r1]
            add r1, r7
            ldr r9, [sp, #28]
            add r11, r9
            add r3, r9
            ldr r9, [sp, #40]
            cmp r11, r9
            bne 1b",
            leave!(),
        )
    };
}

macro_rules! rest {
    () => {
        concat!(
            "ldr r5, [sp, #44]
            vpstt
            vldrbt.u8 q2, [r11]
            vldrbt.u8 q3, [r3]\n",
            multiply!("r5", "r5")
        )
    };
}

macro_rules! sums {
    () => {
        concat!(
            "ldrd r0, r2, [sp, #48]
            add r4, r1, r7\n",
            narrow_sum!("q0", "r1"),
            narrow_sum!("q1", "r4")
        )
    };
}

/// One row; `$results` from q0, then `$store`.
macro_rules! one {
    ($results:expr, $store:literal) => {
        naked_asm!(
            helium!(),
            enter!(),
            "ldm sp, {{r0, r2, r4, r6}}
            ldr r9, [sp, #16]
            ldrd r5, r7, [sp, #20]
            wls lr, r9, 2f
            1:
            vldrb.u8 q4, [r11], #16
            vld20.8 {{q0, q1}}, [r5]
            vld21.8 {{q0, q1}}, [r5]!
            vld20.8 {{q2, q3}}, [r7]
            vld21.8 {{q2, q3}}, [r7]!
            vmladava.s8 r0, q0, q4
            vmladava.s8 r2, q1, q4
            vmladava.s8 r4, q2, q4
            vmladava.s8 r6, q3, q4
            le lr, 1b
            2:
            ldr r3, [sp, #56]
            cbz r3, 3f
            ldr r5, [sp, #44]
            vpst
            vldrbt.u8 q4, [r11]
            vld20.8 {{q0, q1}}, [r5]
            vld21.8 {{q0, q1}}, [r5]!
            vld20.8 {{q2, q3}}, [r5]
            vld21.8 {{q2, q3}}, [r5]
            vmladava.s8 r0, q0, q4
            vmladava.s8 r2, q1, q4
            vmladava.s8 r4, q2, q4
            vmladava.s8 r6, q3, q4
            3:",
            gather!("q0", "r0", "r2", "r4", "r6"),
            "ldr r5, [sp, #32]",
            $results,
            $store,
            leave!(),
        )
    };
}

/// Rows in pairs, without taps behind the whole vectors, into 8 bits.
///
/// # Safety
/// This and the others read 32·steps bytes of each filter, a row's whole vectors and the taps behind them, in pairs from
/// `values` until `end`; they write four results a row. All of that must be borrowed by the caller, and steps, as well as
/// rows, at least one.
#[unsafe(naked)]
pub unsafe extern "C" fn pairs_whole(_: &Block) {
    pairs!("", concat!(narrow!("q0"), narrow!("q1")))
}

/// Rows in pairs into 8 bits.
///
/// # Safety
/// As [`pairs_whole`]; 64 bytes of the rest are read.
#[unsafe(naked)]
pub unsafe extern "C" fn pairs_rest(_: &Block) {
    pairs!(rest!(), concat!(narrow!("q0"), narrow!("q1")))
}

/// Rows in pairs, without taps behind the whole vectors, added to what lies in the results' place.
///
/// # Safety
/// As [`pairs_whole`].
#[unsafe(naked)]
pub unsafe extern "C" fn pairs_whole_sum(_: &Block) {
    pairs!("", sums!())
}

/// Rows in pairs, added to what lies in the results' place.
///
/// # Safety
/// As [`pairs_rest`].
#[unsafe(naked)]
pub unsafe extern "C" fn pairs_rest_sum(_: &Block) {
    pairs!(rest!(), sums!())
}

/// One row into 8 bits.
///
/// # Safety
/// As [`pairs_rest`], but for one row, and steps may be 0.
#[unsafe(naked)]
pub unsafe extern "C" fn one(_: &Block) {
    one!(narrow!("q0"), "vstrb.32 q0, [r1]")
}

/// One row, added to what lies in the results' place.
///
/// # Safety
/// As [`one`].
#[unsafe(naked)]
pub unsafe extern "C" fn one_sum(_: &Block) {
    one!(concat!("ldrd r0, r2, [sp, #48]\n", narrow_sum!("q0", "r1")), "vstrb.32 q0, [r1]")
}

/// One row into 16 bits.
///
/// # Safety
/// As [`one`], and results have two bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn one_wide(_: &Block) {
    one!(narrow!("q0"), "vstrh.32 q0, [r1]")
}

/// All rows of at most 16 taps into 8 bits, with the filters in q0 to q3 all the time.
///
/// # Safety
/// The filters have 32 bytes each; a row has as many taps as stand behind the whole vectors; all of them are borrowed, as
/// are four results a row.
#[unsafe(naked)]
pub unsafe extern "C" fn small(_: &Block) {
    naked_asm!(
        helium!(),
        "ldr r12, [r0, #100]",
        enter!(),
        "ldrd r5, r7, [sp, #20]
        vld20.8 {{q0, q1}}, [r5]
        vld21.8 {{q0, q1}}, [r5]
        vld20.8 {{q2, q3}}, [r7]
        vld21.8 {{q2, q3}}, [r7]
        ldrd r5, r7, [sp, #32]
        ldr r9, [sp, #60]
        dls lr, r9
        1:
        ldm sp, {{r0, r2, r4, r6}}
        vpst
        vldrbt.u8 q4, [r11]
        add r11, r12
        vmladava.s8 r0, q0, q4
        vmladava.s8 r2, q1, q4
        vmladava.s8 r4, q2, q4
        vmladava.s8 r6, q3, q4",
        gather!("q4", "r0", "r2", "r4", "r6"),
        narrow!("q4"),
        "vstrb.32 q4, [r1]
        add r1, r7
        le lr, 1b",
        leave!(),
    )
}
