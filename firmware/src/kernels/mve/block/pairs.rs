//! Rows in pairs.

use core::arch::naked_asm;

use super::Block;

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
